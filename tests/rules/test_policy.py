"""A policy file is data that a coordinator changes: what is wrong with it is said with file, key, line and reason."""

from __future__ import annotations

from importlib import resources

import pytest

from dispatch.errors import BadSettings
from dispatch.incident.policy import read_policies
from dispatch.model import Band, Key

DEFAULT = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")


def refusal(text: str) -> dict[str, object]:
    with pytest.raises(BadSettings) as caught:
        read_policies(text, "ours.toml")
    assert caught.value.code == "bad_policy"
    assert caught.value.params["file"] == "ours.toml"
    return caught.value.params


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_default_policy_knows_every_kind() -> None:
    policies = read_policies(DEFAULT, "default_policy.toml")
    assert set(policies) == set(Key)
    sos = policies[Key.SOS]
    assert (sos.band, sos.answer_within_s, sos.accept_within_s, sos.depart_within_s) == (Band.LIFE, 60, 30, 120)
    assert (sos.arrive_within_s, sos.check_every_s) == (900, 1200)


def test_a_human_press_is_never_below_urgent_unless_it_says_so() -> None:
    policies = read_policies(DEFAULT, "default_policy.toml")
    assert {key for key in Key if policies[key].band > Band.URGENT} == {
        *(Key.CONSULT, Key.SERVICE, Key.TREND, Key.NO_ACTIVITY, Key.MEASURE_AGAIN)
    }


@pytest.mark.parametrize(
    ("before", "after", "key", "reason"),
    [
        ('tell = ["contacts", "station"], wait_s = 60 }', "tell = [], wait_s = 60 }", "ladders.life", "nobody"),
        ('"contacts", "station"], wait_s = 60', '"cousin"], wait_s = 60', "ladders.life", "cousin"),
        ("[kinds.family]", "[kinds.familly]", "kinds.familly", "unknown"),
        ('ladder = "fire"', 'ladder = "water"', "kinds.fire.ladder", "water"),
        ('ladder = "fire"', "ladder = []", "kinds.fire.ladder", "[]"),
        ("depart_within_s = 600", 'depart_within_s = "soon"', "kinds.service.depart_within_s", "int"),
        ("depart_within_s = 600", "depart_within_s = 0", "kinds.service.depart_within_s", ">= 1"),
        ("depart_within_s = 600", "depart_in_s = 600", "kinds.service.depart_in_s", "depart_in_s"),
        (
            'band = 1\nladder = "urgent"\noffer = "after_answer"\nverify_within_s = 120\nclose',
            'band = 2\nladder = "urgent"\noffer = "after_answer"\nverify_within_s = 120\nclose',
            "kinds.family.band",
            "below",
        ),
        ('{ level = 2, tell = ["contacts"', '{ level = 1, tell = ["contacts"', "ladders.life", "rise"),
    ],
)
def test_what_is_wrong_is_named_with_its_key_and_reason(before: str, after: str, key: str, reason: str) -> None:
    assert before in DEFAULT
    said = refusal(DEFAULT.replace(before, after, 1))
    assert said["key"] == key
    assert reason in str(said["reason"])


def test_the_line_is_named_where_it_is_known() -> None:
    text = DEFAULT.replace("depart_within_s = 600", "depart_within_s = -5", 1)
    assert refusal(text)["line"] == line_of(text, "depart_within_s = -5")


def test_a_missing_kind_and_a_broken_file_are_refused() -> None:
    head, _, tail = DEFAULT.partition("[kinds.fall]")
    without = head + tail[tail.index("[kinds.fire]") :]
    assert refusal(without)["key"] == "kinds.fall"
    assert "line" in str(refusal("[kinds\n")["reason"])


def test_the_hash_is_of_the_content_only() -> None:
    one, two = read_policies(DEFAULT, "a.toml"), read_policies(DEFAULT + "\n# a remark\n", "b.toml")
    changed = read_policies(DEFAULT.replace("parallel_offers = 2 ", "parallel_offers = 3 ", 1), "c.toml")
    assert one[Key.SOS].hash == two[Key.SOS].hash
    assert one[Key.SOS].hash != changed[Key.SOS].hash
    assert one[Key.FALL].hash == changed[Key.FALL].hash


def test_a_file_nested_without_end_is_refused_like_any_other() -> None:
    assert refusal("x = " + "[" * 5_000)["reason"] == "nested too deeply"
