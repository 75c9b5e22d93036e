"""The command line: `dispatch serve | migrate | backup | restore | check-config | import | user`.

A refusal is one plain line on standard error and exit code 1.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from dispatch import tls
from dispatch.clock import SystemClock
from dispatch.errors import BadInput, DispatchError
from dispatch.importing import Report, import_files
from dispatch.incident.policy import OfferWhen, Policy
from dispatch.settings import Settings, effective, load_policies, read_settings
from dispatch.store.backup import Manifest
from dispatch.store.backup import backup as write_backup
from dispatch.store.backup import restore as read_backup
from dispatch.store.database import migrate as migrate_database
from dispatch.users import users

app = typer.Typer(
    help="One-key emergency call and dispatch for elders at home.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(users, name="user", help="Who may sign in: operators' accounts, and workers' links.")
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (TOML); else the one DISPATCH_CONFIG names.")
]


@app.command()
def serve(config: Config = None) -> None:
    """Serve pages, and dispatch (or stand by for whoever does), until SIGTERM."""
    from dispatch.app import serve as run  # noqa: PLC0415 - the other commands need none of it, and start quicker

    run(read_settings(config).settings)


@app.command()
def migrate(config: Config = None) -> None:
    """Bring the database to this version's schema; done before the first start and with each new version."""
    done = asyncio.run(migrate_database(read_settings(config).settings.database_url))
    out.print(f"{len(done)} migrations done: {', '.join(done)}" if done else "The database is up to date.")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")], config: Config = None
) -> None:
    """Write the whole database, as of this instant, into one file; nobody is stopped by it (docs/backup.md)."""
    _tell(asyncio.run(write_backup(read_settings(config).settings.database_url, file, SystemClock().now())), file)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="What `dispatch backup` wrote.")], config: Config = None) -> None:
    """Fill the empty database that the settings name from a backup; all of it or nothing (docs/backup.md)."""
    _tell(asyncio.run(read_backup(read_settings(config).settings.database_url, file)), file)


def _tell(manifest: Manifest, file: Path) -> None:
    at, size_mb = f"{manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC", file.stat().st_size / 1e6
    held = f"{manifest.rows} rows of {len(manifest.tables)} tables"
    out.print(f"{file}: {held} as of {at}, {size_mb:.1f} MB", markup=False, soft_wrap=True)


# --- check-config -----------------------------------------------------------------------------------------------------


@app.command()
def check_config(config: Config = None) -> None:
    """Read settings and policy exactly as `serve` does; show what holds, and each kind's clocks if nobody acts."""
    reading = read_settings(config)
    policies = load_policies(reading.settings)
    tls.to_broker(reading.settings.mqtt)
    tls.for_pages(reading.settings.http)
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    for key, value, source in effective(reading):
        table.add_row(key, value, source)
    out.print(table)
    for policy in policies.values():
        out.print()
        for line in describe(policy):
            out.print(line, markup=False, soft_wrap=True)


def describe(policy: Policy) -> list[str]:
    """A kind's policy as a coordinator reads it: what happens when, minute by minute, if nobody acts."""
    happens = [_sending(policy)]
    at_s = policy.answer_within_s
    for number, step in enumerate(policy.ladder, 1):
        again = f", and again every {step.wait_s} s" if number == len(policy.ladder) else ""
        happens.append((at_s, f"level {step.level}: tells {', '.join(step.tell)}{again}"))
        at_s += step.wait_s
    happens.sort(key=lambda each: each[0])
    return [
        f"{policy.kind.value} (band {int(policy.band)})",
        *(f"  {at_s // 60:3d}:{at_s % 60:02d}  {what}" for at_s, what in happens),
        f"  a worker has {_seconds(policy)}",
    ]


def _seconds(policy: Policy) -> str:
    return (
        f"{policy.accept_within_s} s to accept, {policy.depart_within_s} s to set off, {policy.arrive_within_s} s to"
        f" arrive; on scene asked every {policy.check_every_s} s"
    )


def _sending(policy: Policy) -> tuple[int, str]:
    """When workers are asked if no operator answers, and how many."""
    asked = policy.hands * policy.parallel_offers
    skills = f" with {', '.join(policy.skills)}" if policy.skills else ""
    whom = f"the {asked} nearest are asked{skills}, {policy.hands} to go"
    if asked == 1:
        whom = f"the nearest is asked{skills}"
    match policy.offer:
        case OfferWhen.AT_ONCE:
            return 0, whom
        case OfferWhen.AFTER_ANSWER:
            return policy.verify_within_s, f"{whom} (sooner if an operator answers)"
        case OfferWhen.NEVER:
            return 0, "an operator decides who goes"


# --- import -----------------------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="stations*.csv, elders*.csv, terminals*.csv, workers*.csv, contacts*.csv, in any order."),
    ],
    config: Config = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
) -> None:
    """Bring CSV files into the register. Bad rows are named by file, line and reason; the good ones go in.

    Exit code 1 if any row was bad. The columns are described in docs/import.md.
    """
    settings = read_settings(config).settings
    report = asyncio.run(_import(settings, files, dry_run=dry_run))
    for path in report.guessed_gbk:
        err.print(f"{path}: not UTF-8, read as GB18030 (GBK); save it as UTF-8 if names look wrong", markup=False)
    for bad in report.bad:
        where = f"{bad.path}:{bad.line}" if bad.line else f"{bad.path}"
        err.print(f"{where}: {BadInput(bad.code, **bad.facts).say()}", markup=False, soft_wrap=True)
    counts = ", ".join(f"{count} {kind}" for kind, count in report.good.items()) or "nothing"
    out.print(f"{'would go in' if dry_run else 'in'}: {counts}; bad rows: {len(report.bad)}")
    if report.bad:
        raise typer.Exit(1)


async def _import(settings: Settings, files: list[Path], *, dry_run: bool) -> Report:
    today = SystemClock().now().astimezone(ZoneInfo(settings.time_zone)).date()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
        bars: dict[Path, TaskID] = {}

        def tell(path: Path, done: int, total: int) -> None:
            if path not in bars:
                bars[path] = progress.add_task(path.name, total=total)
            progress.update(bars[path], completed=done, total=total)

        return await import_files(settings.database_url, files, today, dry_run=dry_run, progress=tell)


def main() -> None:
    """Run a command; a refusal is one line."""
    try:
        app()
    except DispatchError as error:
        err.print(f"dispatch: {error.say()}", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
