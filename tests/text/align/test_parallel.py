"""Parallel text from files, from items with several texts, and from editions of a work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.align.parallel import ParallelTexts, from_dataset, from_lines, from_pairs

N = 30


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_lines_of_one_number_are_one_group(tmp_path: Path) -> None:
    german = write(tmp_path / "de", [f"Satz {n}" for n in range(N)])
    english = write(tmp_path / "en", [f"line\u2028{n}" for n in range(N)])  # no line break, whatever Python says
    found = from_lines({"deu": german, "en": english})
    assert found.languages == ["de", "en"]
    assert (found.texts["de"][3], found.texts["en"][3]) == ("Satz 3", "line 3")


def test_files_of_different_length_are_refused(tmp_path: Path) -> None:
    paths = {"de": write(tmp_path / "de", ["a"] * N), "en": write(tmp_path / "en", ["a"] * (N + 1))}
    with pytest.raises(DataError, match=r"de 30, .*en 31"):
        from_lines(paths)


def test_files_of_pairs_are_joined_by_the_language_that_they_share(tmp_path: Path) -> None:
    first = write(tmp_path / "a.tsv", [f"Satz {n}\tline {n}" for n in range(N)])
    second = write(tmp_path / "b.tsv", [f"line {n}\tligne {n}" for n in range(10, N + 10)])
    found = from_pairs({("de", "en"): first, ("en", "fr"): second})
    assert found.pairs() == {("de", "en"): N, ("de", "fr"): N - 10, ("en", "fr"): N}
    group = found.texts["en"].index("line 12")
    assert (found.texts["de"][group], found.texts["fr"][group]) == ("Satz 12", "ligne 12")


def test_a_line_without_two_columns_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["a\tb", "a b", "a\tb\tc"])
    with pytest.raises(DataError, match=r"2 lines .* lines 2, 3"):
        from_pairs({("de", "en"): path})


def test_items_with_several_texts_and_editions_of_a_work_are_groups(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    one = [(f"i{n}", tag, f"{tag} {n}") for n in range(N) for tag in ("de", "en")]
    editions = [(f"{tag}:{n}", tag, f"{tag} {n}") for n in range(N) for tag in ("fr", "it")]
    items = [(f"i{n}", "de", f"w{n}") for n in range(N)] + [
        (f"{t}:{n}", t, f"x{n}") for n in range(N) for t in ("fr", "it")
    ]
    columns = {"item": ("item_id", "language", "work_id")}
    write_dataset(tmp_path, item=items, text=[*one, *editions], columns=columns)
    by_item = from_dataset(tmp_path / "tiny", "tiny", "item_id", "{title}")
    assert by_item.pairs() == {("de", "en"): N}
    by_work = from_dataset(tmp_path / "tiny", "tiny", "work_id", "{title}")
    assert by_work.pairs()["fr", "it"] == N
    group = by_work.texts["fr"].index("fr 7")
    assert (by_work.texts["it"][group], by_work.texts["de"][group]) == ("it 7", "")


def test_too_little_text_is_refused(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="1 different groups"):
        from_lines({"de": write(tmp_path / "de", ["a"] * N), "en": write(tmp_path / "en", ["b"] * N)})
    write_dataset(tmp_path, text=[("1", "de", "a"), ("2", "en", "b")])
    with pytest.raises(DataError, match="no item_id has texts in two languages"):
        from_dataset(tmp_path / "tiny", "tiny", "item_id", "{title}")


@pytest.mark.parametrize("held_out", [0.25, 10])
def test_a_split_is_disjoint_complete_and_repeatable(held_out: float) -> None:
    texts = ParallelTexts({"de": [f"a{n}" for n in range(40)], "en": [f"b{n}" for n in range(40)]})
    training, rest = texts.split(held_out, 3)
    assert len(rest) == 10
    assert sorted(training.texts["de"] + rest.texts["de"]) == sorted(texts.texts["de"])
    assert rest.texts == texts.split(held_out, 3)[1].texts
    assert [text[1:] for text in rest.texts["de"]] == [text[1:] for text in rest.texts["en"]]
    with pytest.raises(ConfigError, match="leave some of the 40"):
        texts.split(40, 0)
    assert np.array_equal(texts.having("de"), np.arange(40))
