from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from recbole_xlrec.data.atomic import write_atomic
from recbole_xlrec.errors import DataError
from recbole_xlrec.inspect.by_language import Bridging, Language
from recbole_xlrec.inspect.measures import Spread
from recbole_xlrec.inspect.profile import read_profile
from recbole_xlrec.inspect.provenance import Provenance, Step
from recbole_xlrec.inspect.texts import TextField

from .conftest import INTER, ITEM, START, TEXT

Write = Callable[..., Path]


def test_sizes_lengths_and_times_are_those_counted_by_hand(tiny: Path) -> None:
    p = read_profile(tiny, "tiny")
    assert (p.users, p.items, p.items_consumed, p.interactions, p.repeated) == (3, 4, 3, 6, 1)
    assert p.density == pytest.approx(5 / 9)
    assert p.lengths == Spread(least=1, median=1, mean=2, p90=3.4, most=4)
    assert (p.short_users, p.length_bars) == (2, (("1", 2), ("2–3", 0), ("4–7", 1)))
    assert (p.popularity.top1, p.popularity.top10) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert p.popularity.gini == pytest.approx(0)
    assert p.ratings is None
    assert p.times is not None
    assert (p.times.first, p.times.missing, p.times.tied) == (START, 0, pytest.approx(2 / 6))
    assert p.times.bars == tuple((f"2001-09-{day:02}", 2 if day == 9 else 1) for day in range(9, 14))


def test_languages_and_bridges_are_those_counted_by_hand(tiny: Path) -> None:
    p = read_profile(tiny, "tiny")
    assert p.languages == (Language("de", 2, 2, 4, 3, 4.5), Language("ja", 1, 2, 2, 2, 1.5))
    assert (p.matrix_names, p.matrix) == (("und", "de", "ja"), ((0, 0, 0), (0, 4, 1), (0, 0, 1)))
    assert p.homes_from == "users"
    third = pytest.approx(1 / 3)
    crossing = pytest.approx(1 / 6)
    # The text of ja:3 in German makes its work exist in two languages; that of de:2 is blank.
    assert p.bridging == Bridging(third, crossing, 3, third, pytest.approx(2 / 3), third)


def test_texts_are_those_counted_by_hand(tiny: Path) -> None:
    t = read_profile(tiny, "tiny").texts
    assert t is not None
    assert (t.rows, t.strays, t.with_text, t.with_title, t.own_language) == (5, 0, 0.75, 0.75, 0.75)
    assert t.fields == (TextField("title", 0.8, 3, pytest.approx(4.7)),)
    assert (t.repeated, t.repeats) == (0, 1)


def test_the_toy_set_has_two_languages_that_share_works_and_no_user(toy: Path) -> None:
    p = read_profile(toy, "toy")
    assert (p.users, p.items, p.interactions, p.density) == (24, 24, 144, 0.25)
    assert [(row.name, row.users, row.items, row.interactions) for row in p.languages] == [
        ("de", 12, 12, 72),
        ("en", 12, 12, 72),
    ]
    assert p.bridging == Bridging(0, 0, 12, 1, 1, 1)
    assert p.times is not None
    assert not p.times.are_dates


def test_interactions_alone_are_enough(tmp_path: Path, write_dataset: Write) -> None:
    p = read_profile(write_dataset(tmp_path, inter=[("u", "i"), ("u", "j")], columns={"inter": INTER_IDS}), "tiny")
    assert (p.users, p.items, p.density, p.languages, p.matrix, p.texts, p.times) == (1, 2, 1, (), None, None, None)
    assert p.bridging == Bridging(None, None, 2, None, None, None)
    assert p.provenance == Provenance("", "", "", "", ())


def test_without_languages_of_users_their_home_is_that_of_most_of_their_items(tiny: Path) -> None:
    (tiny / "tiny" / "tiny.user").unlink()
    p = read_profile(tiny, "tiny")
    assert (p.homes_from, p.users_listed, p.users_unlisted) == ("items", None, 0)
    assert [(row.name, row.users) for row in p.languages] == [("de", 2), ("ja", 1)]


def test_parallel_texts_bridge_items_that_have_no_language_of_their_own(tmp_path: Path, write_dataset: Write) -> None:
    texts = [("1", "de", "Hund"), ("1", "ja", "犬"), ("2", "de", "Katze")]
    inter = [("u", "1", 0), ("v", "1", 0), ("v", "2", 0)]
    p = read_profile(write_dataset(tmp_path, inter=inter, text=texts, user=[("u", "de"), ("v", "ja")]), "tiny")
    assert p.bridging == Bridging(None, None, 2, None, 0.5, 0.5)
    # Interactions are then those of the users of a language.
    assert [(row.name, row.interactions) for row in p.languages] == [("ja", 2), ("de", 1)]


def test_a_blank_text_does_not_make_a_work_exist_in_its_language(tmp_path: Path, write_dataset: Write) -> None:
    texts = [("1", "de", "Hund"), ("1", "ja", "")]
    p = read_profile(write_dataset(tmp_path, inter=[("u", "1", 0)], text=texts), "tiny")
    assert p.bridging.exist == 0


def test_users_and_items_without_a_row_or_a_language_are_und(tmp_path: Path, write_dataset: Write) -> None:
    users, items = [("u2", "und"), ("u1", "de")], [("ja:1", "und"), ("de:1", "de")]
    p = read_profile(write_dataset(tmp_path, inter=INTER, item=items, user=users), "tiny")
    assert (p.items, p.items_unlisted, p.rows_unlisted, p.users_unlisted) == (3, 1, 2, 1)
    assert {row.name: (row.users, row.items, row.interactions) for row in p.languages} == {
        "und": (2, 2, 4),
        "de": (1, 1, 2),
    }
    assert (p.bridging.users, p.bridging.crossing) == (0, 0), "und is no language"


def test_benchmark_files_are_read_together_and_their_sizes_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame(INTER, columns=["user_id", "item_id", "timestamp"])
    for split, part in {"train": frame[:4], "test": frame[4:]}.items():
        write_atomic(tmp_path / "tiny" / f"tiny.{split}.inter", part)
    p = read_profile(tmp_path, "tiny")
    assert p.files == (("tiny.train.inter", 4), ("tiny.test.inter", 2))
    assert (p.users, p.items, p.interactions, p.repeated) == (3, 3, 6, 1)


def test_a_whole_file_goes_before_benchmark_files(tiny: Path) -> None:
    write_atomic(tiny / "tiny" / "tiny.test.inter", pd.DataFrame({"user_id": ["x"], "item_id": ["y"]}))
    p = read_profile(tiny, "tiny")
    assert (p.files, p.unread) == ((("tiny.inter", 6),), ("tiny.test.inter",))


def test_items_only_shown_are_no_interactions(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"user_id": ["a", "b", "c", "c"], "item_id": ["x", "y", "z", "y"], "label": [0.0, 1, 1, 0], "rating": 1.0}
    )
    write_atomic(tmp_path / "tiny" / "tiny.inter", frame, {"label": "float"})
    p = read_profile(tmp_path, "tiny")
    assert (p.interactions, p.shown, p.users, p.items, p.density, p.ratings) == (2, 2, 2, 2, 0.5, (("1", 2),))


def test_texts_that_several_items_share_are_counted_by_language(tmp_path: Path, write_dataset: Write) -> None:
    texts = [("1", "de", "A"), ("2", "de", "A"), ("3", "de", "A"), ("4", "ja", "A"), ("5", "de", ""), ("6", "de", "")]
    t = read_profile(write_dataset(tmp_path, inter=INTER, text=texts), "tiny").texts
    assert t is not None
    assert (t.repeated, t.repeats, t.example, t.strays) == (0.75, 3, "A", 6)


def test_texts_with_the_same_title_and_different_descriptions_are_not_repeated(
    tmp_path: Path, write_dataset: Write
) -> None:
    texts = [("1", "de", "A", "x"), ("2", "de", "A", "y"), ("3", "de", "A", "x")]
    names = {"text": ("item_id", "language", "title", "description")}
    t = read_profile(write_dataset(tmp_path, inter=INTER, text=texts, columns=names), "tiny").texts
    assert t is not None
    assert (t.repeated, t.repeats) == (pytest.approx(2 / 3), 2)


def test_the_order_of_the_rows_changes_nothing(tiny: Path, tmp_path: Path, write_dataset: Write) -> None:
    works = {"item": ("item_id", "language", "work_id")}
    users = [("u3", "de"), ("u1", "de"), ("u2", "ja")]
    turned = write_dataset(
        tmp_path / "turned", inter=INTER[::-1], item=ITEM[::-1], user=users, text=TEXT[::-1], columns=works
    )
    there, back = read_profile(tiny, "tiny"), read_profile(turned, "tiny")
    assert there.texts is not None
    assert back.texts is not None
    assert replace(there, texts=replace(there.texts, example="")) == replace(
        back, texts=replace(back.texts, example="")
    )


def test_provenance_takes_what_meta_json_has(tiny: Path) -> None:
    steps = [{"step": "duplicates", "rows": 6, "removed": 2}, {"step": "k-core"}, "odd"]
    meta = {"source": "S", "url": "https://example.org", "steps": steps, "unknown": 1}
    (tiny / "tiny" / "tiny.meta.json").write_text(json.dumps(meta), encoding="utf-8")
    found = read_profile(tiny, "tiny").provenance
    steps_found = (Step("duplicates", 6, 2), Step("k-core", None, None))
    assert found == Provenance("S", "", "", "https://example.org", steps_found)


@pytest.mark.parametrize("text", ["{", "[1]", "\ufeff{}"])
def test_a_meta_json_that_is_no_object_is_named(tiny: Path, text: str) -> None:
    (tiny / "tiny" / "tiny.meta.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"tiny\.meta\.json"):
        read_profile(tiny, "tiny")


def test_an_unknown_dataset_is_refused_with_the_nearest_name(tiny: Path) -> None:
    with pytest.raises(DataError, match=r"no dataset folder.*Did you mean 'tiny'"):
        read_profile(tiny, "tinny")
    with pytest.raises(DataError, match="no dataset folder"):
        read_profile(tiny / "nowhere", "tiny")


def test_a_dataset_without_interactions_is_refused(tmp_path: Path, write_dataset: Write) -> None:
    write_dataset(tmp_path, item=[("1", "de")])
    with pytest.raises(DataError, match=r"tiny\.inter does not exist"):
        read_profile(tmp_path, "tiny")
    write_dataset(tmp_path, inter=[])
    with pytest.raises(DataError, match="no interactions"):
        read_profile(tmp_path, "tiny")


def test_a_language_that_is_none_and_an_item_named_twice_are_refused(tmp_path: Path, write_dataset: Write) -> None:
    write_dataset(tmp_path, inter=INTER, item=[("1", "klingonisch")])
    with pytest.raises(DataError, match=r"tiny\.item: column 'language'.*klingonisch"):
        read_profile(tmp_path, "tiny")
    write_dataset(tmp_path, item=[("1", "de"), ("1", "ja")])
    with pytest.raises(DataError, match="repeats the item_id"):
        read_profile(tmp_path, "tiny")


INTER_IDS = ("user_id", "item_id")
