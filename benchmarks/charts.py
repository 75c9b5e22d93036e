"""What was measured, kept: a bench's JSON object and a small chart of it, side by side in `docs/benchmarks`.

Bars are ours and the peer's, with the aim as a line across; growth is drawn as lines over the size of the city.
Machine, date and command stand in the picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from benchmarks.aims import Line, figure, lines_of
from dispatch.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
OURS, PEER, AIM, INK = "#1f5f8b", "#b8bec4", "#b3261e", "#30363b"
WIDE_IN, BAR_IN, EDGE_IN = 8.0, 1.25, 1.15
DOTS_PER_INCH = 110
STYLE = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), INK),
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "onekey",
}


def keep(said: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Write NAME.json and NAME.png; returns the picture's path. Raises Refused (`nothing_to_draw`)."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{said['name']}.json"
    kept.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return draw(said, folder)


def draw(said: dict[str, Any], folder: Path = FOLDER) -> Path:
    """Draw NAME.png from a bench's object. Raises Refused (`nothing_to_draw`) for a name without figures."""
    import matplotlib as mpl  # noqa: PLC0415 - installed for the benches alone

    mpl.use("agg")
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with mpl.rc_context(STYLE):
        lines = [line for line in lines_of(said) if line.ours is not None]
        parts = said.get("parts", []) if said["name"] == "growth" else []
        if not lines and not parts:
            raise Refused("nothing_to_draw", bench=said["name"])
        high_in = EDGE_IN + (3.0 if parts else BAR_IN * len(lines))
        picture = Figure(figsize=(WIDE_IN, high_in), dpi=DOTS_PER_INCH)
        _title(picture, said, high_in)
        if parts:
            _growth(picture, parts, high_in)
        else:
            _bars(picture, lines, high_in)
        path = folder / f"{said['name']}.png"
        # Nothing of the program that drew it: the same figures are the same file.
        picture.savefig(path, metadata={"Software": None})
    return path


def _title(picture: Any, said: dict[str, Any], high_in: float) -> None:
    picture.text(0.02, 1 - 0.12 / high_in, said["name"], fontsize=13, fontweight="bold", va="top")
    circumstances = f"{said.get('command', '')}   {said.get('date', '')[:16].replace('T', ' ')} UTC\n"
    circumstances += fill(said.get("machine", ""), 120)
    picture.text(0.02, 0.10 / high_in, circumstances, fontsize=7.5, va="bottom", alpha=0.8)


def _bars(picture: Any, lines: Sequence[Line], high_in: float) -> None:
    """A pair of bars for each aim, on an axis of its own: their units differ."""
    top_in = high_in - 0.45
    for n, line in enumerate(lines):
        bottom_in = top_in - (n + 1) * BAR_IN + 0.32
        axes = picture.add_axes((0.27, bottom_in / high_in, 0.70, (BAR_IN - 0.62) / high_in))
        _bar(axes, line)


def _bar(axes: Any, line: Line) -> None:
    named = [("ours", line.ours or 0.0, OURS)]
    if line.peer is not None:
        named.append((line.peer_is, line.peer, PEER))
    names, values, colours = zip(*named, strict=True)
    places = range(len(named))
    axes.barh(places, values, color=colours, height=0.66)
    axes.set_yticks(places, names)
    axes.set_ylim(1.5, -0.5)  # a bar without a peer is as thick as others
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    widest = max(*values, line.limit or 0.0)
    axes.set_xlim(0, widest * 1.24)
    for place, value in zip(places, values, strict=True):
        said = figure(value, line.unit)
        axes.text(value + widest * 0.01, place, said, va="center", fontsize=8.5,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})  # fmt: skip
    if line.limit is not None:
        axes.axvline(line.limit, color=AIM, linestyle=(0, (4, 2)), linewidth=1.3, zorder=3)
    ratio = "" if line.ratio is None else f" is {line.ratio:.2f}"
    verdict = "met" if line.met else "missed"
    axes.set_title(f"{line.what}:{ratio and f' ratio{ratio},'} aim {line.aim} (red line), {verdict}",
                   loc="left", fontsize=9, x=-0.355)  # fmt: skip


def _growth(picture: Any, parts: Sequence[dict[str, Any]], high_in: float) -> None:
    """What one reading, press or ranking costs, over the size, both in equal proportions."""
    each = 0.94 / len(parts)
    for n, part in enumerate(parts):
        axes = picture.add_axes((0.02 + each * n + 0.065, 0.95 / high_in, each - 0.085, (high_in - 1.75) / high_in))
        sizes = [at["size"] for at in part["sizes"]]
        for key, label, colour in (("cost", "ours", OURS), ("peer_cost", part.get("peer_is", "peer"), "#7d868e")):
            costs = [at.get(key) for at in part["sizes"]]
            if all(cost is not None for cost in costs):
                axes.plot(sizes, costs, marker="o", markersize=4, color=colour, label=label)
                axes.annotate(figure(costs[-1], part["unit"]), (sizes[-1], costs[-1]), textcoords="offset points",
                              xytext=(0, 6), ha="right", fontsize=8, color=colour)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
        axes.minorticks_off()
        axes.set_ylim(0, 1.35 * max(at.get(key) or 0 for at in part["sizes"] for key in ("cost", "peer_cost")))
        axes.set_xlabel(part["size_is"], fontsize=8)
        axes.set_title(f"{part['name']}: {part['unit']} {part['cost_is']}", loc="left", fontsize=8.5)
        axes.grid(axis="y", alpha=0.25, linewidth=0.6)
        if len(axes.lines) > 1:
            axes.legend(frameon=False, fontsize=8, loc="upper left")
