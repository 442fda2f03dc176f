"""One text an item: in its own language, or in all that it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_xlrec.text.catalogue import catalogue_texts


@pytest.mark.parametrize(
    ("languages", "expected"),
    [("own", {"i1": "Hund", "i2": "猫"}), ("all", {"i1": "Dog Hund", "i2": "Cat 猫"})],
)
def test_texts_are_those_of_the_languages_asked_for(
    languages: str, expected: dict[str, str], tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    texts = [("i1", "en", "Dog"), ("i2", "en", "Cat"), ("i1", "de", "Hund"), ("i2", "ja", "猫"), ("i2", "zh", "猫")]
    write_dataset(tmp_path, item=[("i1", "de"), ("i2", "ja")], text=texts)
    ids, found = catalogue_texts(tmp_path / "tiny", "tiny", "{title}", languages)
    assert dict(zip(ids, found, strict=True)) == expected
