"""One text an item: in its own language, or in all that it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError
from recbole_xlrec.text.catalogue import catalogue_rows, catalogue_texts
from recbole_xlrec.text.options import EncoderOptions


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


def test_the_mean_of_versions_is_that_of_the_vectors_of_each_language(
    tmp_path: Path, write_dataset: Callable[..., Path], sentence_model: Callable[..., Path]
) -> None:
    texts = [("i1", "en", "The cat"), ("i1", "de", "Die Katze"), ("i2", "en", "sits"), ("i1", "fr", "The cat")]
    folder = write_dataset(tmp_path, text=texts) / "tiny"
    options = EncoderOptions.plain(str(sentence_model("mean")), device="cpu", text_languages="all")
    mean, rows = catalogue_rows(folder, "tiny", options._replace(text_versions="mean"), ["i1", "i2"])
    joined, order = catalogue_rows(folder, "tiny", options, ["i1", "i2"])
    single = [("a", "en", "The cat"), ("b", "en", "Die Katze"), ("c", "en", "sits")]
    folder = write_dataset(tmp_path / "single", text=single) / "tiny"
    each, places = catalogue_rows(folder, "tiny", options, list("abc"))
    each = each[places]
    np.testing.assert_allclose(mean[rows], [(each[0] + each[1]) / 2, each[2]], atol=5e-3)
    assert np.abs(joined[order][0] - mean[rows][0]).max() > 0.01


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"text_versions": "sum"}, "one of join, mean, each; found 'sum'"),
        ({"alignment": "x", "text_languages": "all"}, "texts of one language each"),
        ({"alignment": "x", "encoder": "file:vectors.npz"}, "vectors made elsewhere"),
    ],
)
def test_keys_that_exclude_each_other_are_refused(
    changed: dict[str, str], message: str, tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    folder = write_dataset(tmp_path, text=[("1", "de", "Hund")]) / "tiny"
    with pytest.raises(ConfigError, match=message):
        catalogue_rows(folder, "tiny", EncoderOptions.plain("ngram")._replace(**changed), ["1"])
