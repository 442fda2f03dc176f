from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

TEXTS = [
    "The cat sits on the mat.",
    "猫がマットの上に座っています。",
    "Кошка",
    "A film about the sea, a boat and a dog",
]
Build = Callable[..., Path]


def raw_states(folder: Path, texts: list[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Token vectors and mask from transformers alone, without sentence-transformers."""
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    return states.numpy(), tokens["attention_mask"].numpy()


def mean_of(states: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    weights = mask[:, :, None]
    return (states * weights).sum(axis=1) / weights.sum(axis=1)


def test_mean_pooling_gives_the_mean_over_the_transformers_tokens(sentence_model: Build) -> None:
    folder = sentence_model("mean", default_prompt_name=None)
    expected = mean_of(*raw_states(folder, TEXTS))
    np.testing.assert_allclose(SentenceEncoder(str(folder), device="cpu").encode(TEXTS), expected, atol=1e-5)


def test_cls_pooling_gives_the_transformers_first_token(sentence_model: Build) -> None:
    folder = sentence_model("cls", default_prompt_name=None)
    expected = raw_states(folder, TEXTS)[0][:, 0]
    found = SentenceEncoder(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - mean_of(*raw_states(folder, TEXTS))).max() > 0.1


def test_the_models_default_prompt_is_put_before_every_text(sentence_model: Build) -> None:
    folder = sentence_model("mean")
    encoder = SentenceEncoder(str(folder), device="cpu")
    assert encoder.prompt() == "passage: "
    expected = mean_of(*raw_states(folder, [f"passage: {text}" for text in TEXTS]))
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [({"prompt_name": "query"}, "query: "), ({"prompt": "A film about "}, "A film about "), ({"prompt": ""}, "")],
)
def test_a_prompt_that_is_asked_for_wins_over_the_default(
    sentence_model: Build, options: dict[str, str], prefix: str
) -> None:
    folder = sentence_model("mean")
    expected = mean_of(*raw_states(folder, [prefix + text for text in TEXTS]))
    found = SentenceEncoder(str(folder), device="cpu", **options).encode(TEXTS)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_batches_do_not_change_vectors_and_empty_texts_are_zero(sentence_model: Build) -> None:
    folder = str(sentence_model("mean"))
    whole = SentenceEncoder(folder, device="cpu").encode(TEXTS)
    found = SentenceEncoder(folder, device="cpu", batch_size=1).encode([TEXTS[0], "", *TEXTS[1:], " \n"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[[0, 2, 3, 4]], whole, atol=1e-5)
    assert not found[[1, 5]].any()
    assert SentenceEncoder(folder, device="cpu").encode(["", ""]).tolist() == [[0.0] * 32] * 2


def test_max_seq_length_cuts_the_text(sentence_model: Build) -> None:
    folder = str(sentence_model("mean", default_prompt_name=None))
    cut, whole = SentenceEncoder(folder, device="cpu", max_seq_length=4), SentenceEncoder(folder, device="cpu")
    long = " ".join(TEXTS)
    np.testing.assert_allclose(cut.encode([long]), cut.encode([f"{long} and more"]), atol=1e-6)
    assert np.abs(cut.encode([long]) - whole.encode([long])).max() > 0.01
    assert cut.fingerprint() != whole.fingerprint()


def test_the_fingerprint_is_plain_and_does_not_depend_on_where_the_model_lies(
    sentence_model: Build, tmp_path: Path
) -> None:
    folder = sentence_model("mean")
    found = SentenceEncoder(str(folder)).fingerprint()
    assert json.loads(json.dumps(found)) == found
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / folder.name))
    (moved / ".cache").mkdir()
    (moved / ".cache" / "download.json").write_text("{}")
    assert SentenceEncoder(str(moved)).fingerprint() == found


def test_the_fingerprint_changes_with_weights_pooling_prompt_and_dtype(sentence_model: Build) -> None:
    base = str(sentence_model("mean"))
    encoders = [
        SentenceEncoder(base),
        SentenceEncoder(str(sentence_model("cls"))),
        SentenceEncoder(str(sentence_model("mean", seed=1))),
        SentenceEncoder(str(sentence_model("mean", default_prompt_name="query"))),
        SentenceEncoder(base, prompt_name="query"),
        SentenceEncoder(base, prompt="other: "),
        SentenceEncoder(base, dtype="bfloat16"),
        SentenceEncoder(base, max_seq_length=7),
    ]
    names = [{**encoder.fingerprint(), "name": ""} for encoder in encoders]
    assert len({json.dumps(found, sort_keys=True) for found in names}) == len(encoders)


def test_the_fingerprint_names_pooling_and_sees_a_changed_pooling_file(sentence_model: Build, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sentence_model("mean"), tmp_path / "model"))
    before = SentenceEncoder(str(folder)).fingerprint()
    assert "mean" in str(before["modules"])
    config = folder / "1_Pooling" / "config.json"
    config.write_text(config.read_text().replace("mean", "cls"))
    after = SentenceEncoder(str(folder)).fingerprint()
    assert after["sha256"] != before["sha256"]
    assert after["modules"] != before["modules"]


def test_a_bare_transformer_is_pooled_by_mean_with_a_warning(
    tiny_models: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tiny_models.build_transformer(tmp_path / "bare")
    with caplog.at_level(logging.WARNING, "recbole_xlrec"):
        found = SentenceEncoder(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, mean_of(*raw_states(folder, TEXTS)), atol=1e-5)
    assert "no modules.json" in caplog.text


def test_a_path_that_does_not_exist_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"missing.*does not exist"):
        SentenceEncoder(str(tmp_path / "missing"))
    (tmp_path / "file").write_text("")
    with pytest.raises(EncoderError, match="is a file"):
        SentenceEncoder(str(tmp_path / "file"))


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="empty"):
        SentenceEncoder(str(tmp_path)).fingerprint()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EncoderError, match=r"cannot be loaded from this folder.*config\.json"):
        SentenceEncoder(str(tmp_path), device="cpu").encode(["x"])


@pytest.mark.parametrize("use", ["encode", "fingerprint"])
def test_a_hub_name_that_cannot_be_fetched_says_how_to_use_a_folder(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    encoder = SentenceEncoder("nobody/nothing", device="cpu")
    with pytest.raises(EncoderError, match=r"nobody/nothing cannot be loaded from the hub.*encoder: /path/to/model"):
        encoder.encode(["x"]) if use == "encode" else encoder.fingerprint()


def test_a_model_in_the_hubs_cache_is_known_by_its_commit(
    sentence_model: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, repo = "a" * 40, tmp_path / "models--some--model"
    shutil.copytree(sentence_model("cls"), repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    encoder = SentenceEncoder("some/model", device="cpu")
    found = encoder.fingerprint()
    assert (found["name"], found["revision"], found["sha256"]) == ("some/model", commit, None)
    assert "cls" in str(found["modules"])
    local = SentenceEncoder(str(sentence_model("cls")), device="cpu")
    np.testing.assert_allclose(encoder.encode(TEXTS), local.encode(TEXTS), atol=1e-6)


def test_unknown_prompts_and_options_that_exclude_each_other_are_refused(sentence_model: Build) -> None:
    folder = str(sentence_model("mean"))
    with pytest.raises(EncoderError, match=r"'title'.*'query'"):
        SentenceEncoder(folder, prompt_name="title").prompt()
    with pytest.raises(ConfigError, match="not both"):
        SentenceEncoder(folder, prompt="a", prompt_name="b")
    with pytest.raises(ConfigError, match="float32, float16, bfloat16, auto"):
        SentenceEncoder(folder, dtype="float8")
    with pytest.raises(ConfigError, match="batch_size"):
        SentenceEncoder(folder, batch_size=0)


class Model:
    """Stands for a model on a GPU that holds `limit` texts at once."""

    def __init__(self, limit: int, value: float = 1.0) -> None:
        self.limit, self.value, self.batches = limit, value, list[int]()

    def encode(self, texts: list[str], batch_size: int, **options: Any) -> NDArray[np.float32]:
        self.batches.append(batch_size)
        if batch_size > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return np.full((len(texts), 4), self.value, dtype=np.float32)


def test_out_of_gpu_memory_halves_the_batch_and_goes_on(
    sentence_model: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder, model = SentenceEncoder(str(sentence_model("mean")), batch_size=64), Model(limit=20)
    monkeypatch.setattr(encoder, "_model", model)
    assert encoder.encode(TEXTS).shape == (4, 4)
    encoder.encode(TEXTS)
    assert model.batches == [64, 32, 16, 16]
    assert "batch_size is now 16" in caplog.text


def test_a_text_too_large_for_the_gpu_and_nan_are_errors(
    sentence_model: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = SentenceEncoder(str(sentence_model("mean")), batch_size=4)
    monkeypatch.setattr(encoder, "_model", Model(limit=0))
    with pytest.raises(EncoderError, match="too small for one text"):
        encoder.encode(TEXTS)
    monkeypatch.setattr(encoder, "_model", Model(limit=9, value=float("nan")))
    with pytest.raises(EncoderError, match="NaN or infinity for 4 of 4"):
        encoder.encode(TEXTS)
