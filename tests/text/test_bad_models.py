"""Models and texts that do not suit each other, and models that must not run."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.errors import EncoderError
from recbole_xlrec.text.encoders.loading import TRUST
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.encoders.versions import VersionsEncoder, join_versions
from recbole_xlrec.text.store import VectorStore

Build = Callable[..., Path]
KNOWN = [f"The cat sits on the mat {'and the boat ' * n}." for n in range(1, 5)]
TIFINAGH = "ⵜⴰⵎⴰⵣⵉⵖⵜ"
CODE = """
from transformers import XLMRobertaConfig, XLMRobertaModel
open({marker!r}, "w").close()
class OwnConfig(XLMRobertaConfig):
    model_type = "own-code"
class OwnModel(XLMRobertaModel):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(sentence_model: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that brings code along, which leaves a file behind when it runs."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = Path(shutil.copytree(sentence_model("mean"), tmp_path / "own"))
    config = json.loads((folder / "config.json").read_text())
    names = {"AutoConfig": "own_code.OwnConfig", "AutoModel": "own_code.OwnModel"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own-code", "auto_map": names}))
    (folder / "own_code.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    return folder


def test_code_that_a_model_brings_is_not_run_unless_its_name_is_allowed(
    own_code: Path, sentence_model: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for allowed in ("", "somebody/else"):
        monkeypatch.setenv(TRUST, allowed)
        with pytest.raises(EncoderError, match=rf"brings code of its own.*{TRUST}={own_code}"):
            SentenceEncoder(str(own_code), device="cpu").encode(["x"])
        assert not (tmp_path / "ran").exists()
    monkeypatch.setenv(TRUST, f"somebody/else, {own_code}")
    found = SentenceEncoder(str(own_code), device="cpu").encode(KNOWN)
    assert (tmp_path / "ran").exists()
    expected = SentenceEncoder(str(sentence_model("mean")), device="cpu").encode(KNOWN)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_script_that_the_vocabulary_lacks_is_warned_of_with_its_share(
    sentence_model: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = SentenceEncoder(str(sentence_model("mean")), device="cpu")
    with caplog.at_level(logging.WARNING, "recbole_xlrec"):
        VectorStore(tmp_path / "a").encode(["1", "2"], KNOWN[:2], encoder, None)
        assert "vocabulary" not in caplog.text
        VectorStore(tmp_path / "b").encode(["1", "2", "3"], [*KNOWN[:2], TIFINAGH], encoder, None)
    assert f"tokens of 3 texts are not in the vocabulary, as of '{TIFINAGH}'" in caplog.text
    caplog.clear()
    VersionsEncoder(encoder).fit([join_versions([KNOWN[0], TIFINAGH])])
    assert "tokens of 2 texts" in caplog.text


def test_texts_longer_than_the_window_are_warned_of_where_they_are_cut(
    sentence_model: Build, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [*KNOWN, "the cat and the boat " * 40]
    with caplog.at_level(logging.WARNING, "recbole_xlrec"):
        SentenceEncoder(str(sentence_model("mean")), device="cpu", long_texts="pool").fit(texts)
        assert "long" not in caplog.text  # nor does the tokenizer warn
        SentenceEncoder(str(sentence_model("mean")), device="cpu").fit(texts)
    assert "20.0% of 5 texts are longer than the 64 tokens" in caplog.text
    assert "encoder_long_texts: pool" in caplog.text
