from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.inspect.advice import advice
from recbole_xlrec.inspect.by_language import Bridging, Language
from recbole_xlrec.inspect.profile import Profile, Times, read_profile


@pytest.fixture
def sound(tiny: Path) -> Profile:
    """A profile that there is nothing to warn of."""
    p = read_profile(tiny, "tiny")
    assert p.texts is not None
    assert p.times is not None
    return replace(
        p,
        repeated=0,
        short_users=0,
        languages=(Language("de", 100, 2, 99, 3, 4.5), Language("ja", 100, 2, 1, 2, 1.5)),
        interactions=100,
        times=replace(p.times, tied=0.19),
        texts=replace(p.texts, with_text=1.0, repeated=0.04, repeats=9),
    )


def problems(profile: Profile) -> list[str]:
    return [found.problem for found in advice(profile)]


def test_a_sound_dataset_is_warned_of_nothing(sound: Profile) -> None:
    assert problems(sound) == []


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"items_unlisted": 2, "rows_unlisted": 7}, "7 interactions with 2 items missing from the .item file."),
        ({"users_unlisted": 1}, "1 user with interactions missing from the .user file."),
        ({"unread": ("t.test.inter",)}, "t.test.inter beside a whole .inter file; only the latter is counted here."),
        ({"short_users": 2, "users": 200}, "2 users (1 %) with fewer than 3 interactions."),
        ({"repeated": 5}, "5 interactions (5 %) repeat a pair of user and item."),
        ({"times": None}, "No timestamps, so that the order of a user's interactions means nothing."),
        (
            {"times": Times(float("nan"), float("nan"), 100, 0, ())},
            "No timestamps, so that the order of a user's interactions means nothing.",
        ),
        ({"times": Times(0, 9, 3, 0, ())}, "3 interactions (3 %) without a timestamp."),
        ({"times": Times(1e12, 1.5e12, 0, 0, ())}, "The timestamps reach 1.5e+12, which is no time in seconds."),
        (
            {"times": Times(0, 9, 0, 0.2, ())},
            "20 % of the interactions share their time with another of the same user.",
        ),
        ({"texts": None}, "There is no text table."),
        ({"languages": ()}, "No file has a language column."),
        (
            {"homes_from": "items"},
            "The .user file gives no languages; a user's home is taken to be that of most of their items.",
        ),
        ({"languages": (Language("de", 100, 2, 100, 3, 4.5),)}, "All users are in one language, de."),
        (
            {"bridging": Bridging(0.0, 0.0, 4, 0.0, 0.0, 0.0)},
            "No user bridges languages and no work is shared by them: only text connects them.",
        ),
        (
            {"languages": (Language("de", 99, 2, 50, 0, None), Language("ja", 100, 2, 50, 0, None))},
            "Fewer than 100 users: de 99.",
        ),
        (
            {"interactions": 101},
            "Less than 1 % of the interactions: ja 1 %.",
        ),
        (
            {"languages": (Language("de", 100, 2, 90, 0, None), Language("und", 100, 1, 10, 3, None))},
            "No known language (und): 100 users, 1 item, 3 texts; 10 % of the interactions.",
        ),
    ],
)
def test_each_problem_is_named_with_what_to_do(sound: Profile, change: dict[str, Any], problem: str) -> None:
    found = advice(replace(sound, **change))
    assert problem in [item.problem for item in found]
    assert all(item.remedy.endswith(".") for item in found)


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"with_text": 0.75}, "1 item (25 %) without text."),
        ({"strays": 2}, "2 texts of items that are in no other file."),
        ({"repeats": 10, "example": "N/A"}, "4 % of the texts stand at several items, one at 10: 'N/A'."),
        ({"repeated": 0.05, "example": "x"}, "5 % of the texts stand at several items, one at 9: 'x'."),
    ],
)
def test_each_problem_of_the_texts_is_named(sound: Profile, change: dict[str, Any], problem: str) -> None:
    assert sound.texts is not None
    assert problems(replace(sound, texts=replace(sound.texts, **change))) == [problem]


def test_languages_that_only_texts_have_are_not_small(sound: Profile) -> None:
    assert problems(replace(sound, languages=(*sound.languages, Language("fr", 0, 0, 0, 3, 4.0)))) == []


def test_parallel_texts_alone_do_not_say_that_nothing_bridges(sound: Profile) -> None:
    """Nothing is known of users or works where neither users nor items have a language."""
    unknown = replace(sound, bridging=Bridging(None, None, 4, None, 0.5, None))
    assert problems(unknown) == []
