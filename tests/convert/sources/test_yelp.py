"""Yelp: languages of reviews only with --detect, texts read only then, older editions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_xlrec.convert.pipeline import Converted
from recbole_xlrec.errors import DataError

Convert = Callable[..., Converted]
RAW = Path(__file__).parents[2] / "data" / "raw" / "yelp"


@pytest.fixture
def _detector_of_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells languages by a word each: the real detector takes seconds to load, and has tests of its own."""
    words = {"the": "en", "les": "fr", "und": "de", "la": "es"}

    def detected(texts: list[str], candidates: tuple[str, ...], threshold: float) -> list[str]:
        return [next((tag for word, tag in words.items() if word in text.split()), "und") for text in texts]

    monkeypatch.setattr("recbole_xlrec.convert.detect.detected", detected)


@pytest.mark.usefixtures("_detector_of_signs")
def test_detection_tells_the_language_of_a_review_and_of_its_writer(convert: Convert, tables: Any) -> None:
    found = convert("yelp", RAW, detect=True, max_rejected=1)
    languages = {tag: counts["interactions"] for tag, counts in found.meta["languages"].items()}
    assert languages == {"und": 2, "en": 1, "de": 1, "es": 1, "fr": 1}
    users = tables(found)["user"].set_index("user_id")["language"]
    assert users.to_dict() == {"u-One": "en", "u_two": "de", "u3": "und"}


@pytest.mark.usefixtures("_detector_of_signs")
def test_reviews_of_one_language_can_be_kept(convert: Convert, tables: Any) -> None:
    found = convert("yelp", RAW, detect=True, languages=("fr",), max_rejected=1)
    assert tables(found)["inter"][["user_id", "item_id"]].to_numpy().tolist() == [["u-One", "b-two"]]


def test_without_detection_no_text_of_a_review_is_read(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    from recbole_xlrec.convert.read import Reader

    schemas = []
    whole = Reader.json_lines
    monkeypatch.setattr(
        Reader, "json_lines", lambda self, file, schema: schemas.append(schema) or whole(self, file, schema)
    )
    assert set(convert("yelp", RAW, max_rejected=1).meta["languages"]) == {"und"}
    assert schemas
    assert not any("text" in schema for schema in schemas)


def test_short_names_of_older_editions_do_and_users_may_be_missing(
    convert: Convert, tables: Any, tmp_path: Path
) -> None:
    (tmp_path / "review.json").write_text(
        json.dumps({"user_id": "u", "business_id": "b", "stars": 4, "date": "2014-05-06"}) + "\n"
    )
    (tmp_path / "business.json").write_text(
        json.dumps({"business_id": "b", "name": "Bar", "categories": "Bars"}) + "\n"
    )
    found = tables(convert("yelp", tmp_path))
    assert found["inter"]["timestamp"].tolist() == [1399334400]
    assert found["text"]["description"].tolist() == ["Bars"]


def test_a_folder_without_reviews_is_refused(convert: Convert, tmp_path: Path) -> None:
    (tmp_path / "yelp_dataset.tar").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no \*review\.json; it holds 'yelp_dataset\.tar'"):
        convert("yelp", tmp_path)
