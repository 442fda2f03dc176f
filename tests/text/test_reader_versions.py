"""A vector of each version of an item: who reads which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.catalogue import encode_catalogue
from recbole_xlrec.text.options import EncoderOptions, catalogue_encoder
from recbole_xlrec.text.reader_versions import versions_by_reader

TEXTS = [
    ("i1", "en", "The cat"),
    ("i1", "de", "Die Katze"),
    ("i2", "ja", "猫"),
    ("i2", "en", " "),
    ("i3", "fr", "sits"),
]
READERS = ("", "de", "en")
#: What each reader is given: their own language where it says something, else the item's own, else its first.
READ = {"": ["Die Katze", "猫", "sits"], "de": ["Die Katze", "猫", "sits"], "en": ["The cat", "猫", "sits"]}


@pytest.fixture
def options(sentence_model: Callable[..., Path]) -> EncoderOptions:
    model = str(sentence_model("mean"))
    return EncoderOptions.plain(
        model, device="cpu", text_template="{title}", text_languages="all", text_versions="each"
    )


@pytest.fixture
def folder(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    return write_dataset(tmp_path, item=[("i1", "de"), ("i2", "ja"), ("i3", "en")], text=TEXTS) / "tiny"


def test_readers_meet_an_item_in_their_own_language_and_else_in_its_own(folder: Path, options: EncoderOptions) -> None:
    matrix, rows = versions_by_reader(folder, "tiny", options, ["i1", "i2", "i3"], READERS)
    encoder = catalogue_encoder(options)
    for place, reader in enumerate(READERS):
        np.testing.assert_allclose(matrix[rows[place]], encoder.encode(READ[reader]), atol=1e-3)
    assert np.abs(encoder.encode(["The cat"]) - encoder.encode(["Die Katze"])).max() > 0.01


def test_versions_are_encoded_once_and_found_again(folder: Path, options: EncoderOptions) -> None:
    ahead = encode_catalogue(folder, "tiny", options)  # what `recbole-xlrec encode` does
    assert len(ahead.ids) == 4
    matrix, _ = versions_by_reader(folder, "tiny", options, ["i1"], READERS)
    assert Path(matrix.filename).parent == Path(ahead.path)
    assert len([path for path in (folder / ".vectors").iterdir() if path.is_dir()]) == 1


def test_an_encoder_that_learns_sees_the_wanted_items_alone_where_training_may_not_see_others(folder: Path) -> None:
    ngram = EncoderOptions.plain("ngram", encoder_dimension=2, text_languages="all", text_versions="each")
    matrix, rows = versions_by_reader(folder, "tiny", ngram, ["i1"], READERS, whole=False)
    assert len(matrix) == 2
    assert rows[1, 0] != rows[2, 0]


def test_items_without_a_text_are_refused_or_have_no_row(folder: Path, options: EncoderOptions) -> None:
    with pytest.raises(DataError, match="1 of 2 items in the interactions have no text: 'i4'"):
        versions_by_reader(folder, "tiny", options, ["i1", "i4"], READERS)
    _, rows = versions_by_reader(folder, "tiny", options._replace(missing_text="empty"), ["i1", "i4"], READERS)
    assert (rows[:, 1] == -1).all()
    assert (rows[:, 0] >= 0).all()


def test_vectors_made_elsewhere_have_no_languages(folder: Path, options: EncoderOptions) -> None:
    with pytest.raises(ConfigError, match="text_versions: each: vectors made elsewhere"):
        versions_by_reader(folder, "tiny", options._replace(encoder="file:v.npz"), ["i1"], READERS)
