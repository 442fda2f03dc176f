from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders import NgramEncoder, SentenceEncoder, file_path, is_file_spec, make_encoder


def test_ngram_a_folder_and_a_hub_name_make_their_encoders(sentence_model: Callable[..., Path]) -> None:
    ngram = make_encoder("ngram", dimension=16, seed=3)
    assert isinstance(ngram, NgramEncoder)
    assert (ngram.dimension, ngram.seed) == (16, 3)
    folder = make_encoder(str(sentence_model("mean")), prompt_name="query")
    assert isinstance(folder, SentenceEncoder)
    assert folder.prompt() == "query: "
    hub = make_encoder("intfloat/multilingual-e5-small", device="cpu")
    assert isinstance(hub, SentenceEncoder)
    assert hub.local is None


def test_a_relative_folder_is_taken_before_a_hub_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "e5").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = make_encoder("models/e5")
    assert isinstance(found, SentenceEncoder)
    assert found.local == Path("models/e5")


def test_an_unknown_short_name_lists_the_choices() -> None:
    with pytest.raises(EncoderError, match=r"'ngrams' is not known\. Did you mean 'ngram'\?.*name on the hub.*file:"):
        make_encoder("ngrams")
    with pytest.raises(EncoderError, match="does not exist"):
        make_encoder("./nowhere")


def test_a_file_of_vectors_is_told_from_an_encoder() -> None:
    assert is_file_spec("file:a/b.npz")
    assert not is_file_spec("ngram")
    assert file_path("file:a/b.npz") == Path("a/b.npz")
    for spec in ("file:a/b.npz", "b.npz"):
        with pytest.raises(EncoderError, match="file:PATH"):
            make_encoder(spec)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'dimensions'.*'dimension'"):
        make_encoder("ngram", dimensions=3)
    with pytest.raises(ConfigError, match=r"'promt'.*'prompt'"):
        make_encoder("org/model", promt="x")
