"""The quick-start data: a hand-made ml-100k → the exact files; and the real one's counts, counted independently."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from recbole_xlrec.convert.ml100k_xl import LANGUAGES, NAME, _recbole_ml100k, build, convert
from recbole_xlrec.errors import DataError

RAW = Path(__file__).parents[1] / "data" / "raw" / NAME
EXPECTED = Path(__file__).parents[1] / "data" / "expected" / NAME
RESOURCES = Path(__file__).parents[2] / "recbole_xlrec" / "resources"


def test_a_hand_made_sample_becomes_exactly_the_expected_files(tmp_path: Path) -> None:
    folder = convert(tmp_path, RAW)
    for expected in sorted(EXPECTED.iterdir()):
        assert (folder / expected.name).read_text(encoding="utf-8") == expected.read_text(encoding="utf-8")
    counts = json.loads((folder / f"{NAME}.meta.json").read_text(encoding="utf-8"))["counts"]
    assert counts == {
        "ratings in": 10,
        "ratings of films without a localized title": 1,
        "ratings out": 9,
        "users": 7,
        "films": 4,
        "editions": 8,
    }


def test_two_conversions_are_byte_identical(tmp_path: Path) -> None:
    first, second = convert(tmp_path / "a", RAW), convert(tmp_path / "b", RAW)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_a_second_conversion_leaves_the_first_alone(tmp_path: Path) -> None:
    folder = convert(tmp_path, RAW)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert convert(tmp_path, RAW) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_somebody_elses_dataset_of_the_same_name_is_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / NAME / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(DataError, match="nothing is overwritten"):
        convert(tmp_path, RAW)
    assert mine.read_text() == "mine"


def test_an_interrupted_conversion_leaves_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recbole_xlrec.convert.ml100k_xl.file_hash", lambda path: "0" * 64)
    monkeypatch.setattr("recbole_xlrec.convert.ml100k_xl.os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        convert(tmp_path, RAW)
    assert not (tmp_path / NAME).exists()


def test_the_real_data_is_what_an_independent_count_says() -> None:
    with (_recbole_ml100k() / "ml-100k.inter").open(encoding="utf-8") as lines:
        ratings = list(csv.reader(lines, delimiter="\t"))[1:]
    with (RESOURCES / "ml100k_titles.tsv").open(encoding="utf-8") as lines:
        known = {line.split("\t")[0] for line in lines}
    kept = [(user, item) for user, item, *_ in ratings if item in known]
    editions = {(LANGUAGES[int(user) % 5], item) for user, item in kept}
    tables, counts = build(_recbole_ml100k())
    assert counts["ratings out"] == len(kept) == len(tables["inter"])
    assert counts["editions"] == len(editions) == len(tables["item"]) == len(tables["text"])
    assert {tuple(edition.split(":")) for edition in tables["inter"]["item_id"]} == editions
    assert (tables["text"]["title"] != "").all()


@pytest.mark.parametrize("name", ["ml100k_titles.tsv", "ml100k_genres.tsv"])
def test_resources_are_rectangular_and_clean(name: str) -> None:
    import unicodedata

    text = (RESOURCES / name).read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    assert {len(row) for row in rows} == {6}
    assert len({row[0] for row in rows}) == len(rows)
    assert all(cell == cell.strip() and cell == unicodedata.normalize("NFC", cell) for row in rows for cell in row)
    assert all(row[1] for row in rows)


def test_titles_cover_the_600_most_rated_films() -> None:
    with (_recbole_ml100k() / "ml-100k.inter").open(encoding="utf-8") as lines:
        counts = Counter(row[1] for row in list(csv.reader(lines, delimiter="\t"))[1:])
    known = {line.split("\t")[0] for line in (RESOURCES / "ml100k_titles.tsv").read_text("utf-8").splitlines()}
    missing = [item for item, _ in counts.most_common(600) if item not in known]
    assert missing in ([], ["267"])  # 267 is ml-100k's own film without a name
