"""Each family of encoders: our vectors are those of sentence-transformers, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.encoders.long_texts import LongTexts
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.encoders.versions import VersionsEncoder, join_versions
from recbole_xlrec.text.store import VectorStore

TEXTS = [
    "The cat sits on the mat.",
    "猫がマットの上に座っています。",
    "Кошка",
    "A film about the sea, a boat and a dog, and a cat that sits on the mat",
]
FAMILIES = ("mean", "cls_dense", "last_token")


@pytest.fixture(scope="module")
def family(tiny_models: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}
    makers = {
        "mean": lambda folder: tiny_models.build_sentence_model(folder, "mean", normalize=True),
        "cls_dense": tiny_models.build_dense_model,
        "last_token": tiny_models.build_decoder_encoder,
    }

    def build(name: str) -> Path:
        if name not in built:
            built[name] = makers[name](tmp_path_factory.mktemp("families") / name)
        return built[name]

    return build


def alone(folder: Path, prompt: str = "", **options: Any) -> NDArray[np.float32]:
    """Each text by itself: no padding, no batch."""
    model = SentenceTransformer(str(folder), device="cpu", **options)
    return np.stack([np.asarray(model.encode([text], prompt=prompt))[0] for text in TEXTS])


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_are_those_of_sentence_transformers_and_do_not_depend_on_the_batch(
    name: str, family: Callable[[str], Path], tmp_path: Path
) -> None:
    expected = alone(family(name))
    for batch_size in (1, 2, 64):
        encoder = SentenceEncoder(str(family(name)), device="cpu", batch_size=batch_size)
        np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)
        np.testing.assert_allclose(encoder.encode(TEXTS[::-1])[::-1], expected, atol=1e-5)
    stored = VectorStore(tmp_path).encode(list("abcd"), TEXTS, encoder, None).matrix
    np.testing.assert_allclose(stored, expected, atol=1e-3)


def test_a_decoders_vector_is_the_state_of_its_last_token_with_padding_on_the_left(
    family: Callable[[str], Path],
) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = family("last_token")
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    assert tokenizer.padding_side == "left"
    with torch.inference_mode():
        states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, -1] for text in TEXTS]
    expected = torch.nn.functional.normalize(torch.stack(states)).numpy()
    np.testing.assert_allclose(SentenceEncoder(str(folder), device="cpu").encode(TEXTS), expected, atol=1e-5)


def test_an_instruction_is_put_before_texts_where_it_is_asked_for(family: Callable[[str], Path]) -> None:
    folder = family("last_token")
    instruction = "Instruct: find films\nQuery:"
    found = SentenceEncoder(str(folder), device="cpu", prompt_name="query").encode(TEXTS)
    np.testing.assert_allclose(found, alone(folder, instruction), atol=1e-5)
    assert np.abs(found - alone(folder)).max() > 0.01
    assert SentenceEncoder(str(folder)).prompt() == ""  # item texts have none


def test_matryoshka_vectors_are_the_first_columns(family: Callable[[str], Path]) -> None:
    folder = str(family("mean"))
    cut, whole = SentenceEncoder(folder, device="cpu", truncate=8), SentenceEncoder(folder, device="cpu")
    np.testing.assert_allclose(cut.encode([*TEXTS, ""])[:4], whole.encode(TEXTS)[:, :8], atol=1e-6)
    assert cut.encode([""]).shape == (1, 8)
    assert cut.fingerprint() != whole.fingerprint()
    assert "truncate" not in whole.fingerprint()
    with pytest.raises(EncoderError, match="32 columns, and encoder_truncate 64"):
        SentenceEncoder(folder, device="cpu", truncate=64).encode(TEXTS)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_narrow_weights_give_nearly_the_same_vectors(dtype: str, family: Callable[[str], Path]) -> None:
    folder = str(family("mean"))
    found = SentenceEncoder(folder, device="cpu", dtype=dtype).encode(TEXTS)
    cosines = (found * alone(family("mean"))).sum(axis=1)
    assert cosines.min() > 0.97
    assert np.abs(found - alone(family("mean"))).max() > 1e-4


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_backend_that_is_not_installed_is_named_with_its_command(
    backend: str, family: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_xlrec.text.encoders.loading.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=rf"pip install 'sentence-transformers\[{backend}\]'"):
        SentenceEncoder(str(family("mean")), device="cpu", backend=backend).encode(["x"])


def test_unknown_backends_and_ways_are_refused(family: Callable[[str], Path]) -> None:
    for options in ({"backend": "tensorrt"}, {"long_texts": "sum"}, {"truncate": 0}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            SentenceEncoder(str(family("mean")), **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="dtype int8 works with backend torch alone"):
        SentenceEncoder(str(family("mean")), dtype="int8", backend="onnx")


def test_the_pieces_of_a_long_text_are_pooled_by_their_tokens(family: Callable[[str], Path]) -> None:
    folder = str(family("mean"))
    long = " ".join(TEXTS * 4)
    options: dict[str, Any] = {"device": "cpu", "max_seq_length": 20}
    pooled = SentenceEncoder(folder, long_texts="pool", **options)
    found = pooled.encode([TEXTS[2], long, ""])
    tokenizer, window = pooled.tokenizer()
    pieces = LongTexts([long], tokenizer, window, "")
    assert len(pieces.texts) > 5
    assert max(len(tokenizer(piece)["input_ids"]) for piece in pieces.texts) <= 20
    assert "".join(pieces.texts).replace(" ", "") == long.replace(" ", "")
    plain = SentenceEncoder(folder, **options)
    counts = np.array([len(tokenizer(piece, add_special_tokens=False)["input_ids"]) for piece in pieces.texts])
    expected = (plain.encode(pieces.texts) * counts[:, None]).sum(axis=0)
    cosine = found[1] @ expected / np.linalg.norm(expected)
    assert cosine > 0.999  # a piece cut inside a word has one token more or less
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(found[0], plain.encode([TEXTS[2]])[0], atol=1e-6)
    other = pooled.encode([f"{long} boat"])[0]
    assert np.abs(other - found[1]).max() > 1e-4  # the end counts too
    np.testing.assert_allclose(plain.encode([f"{long} boat"]), plain.encode([long]), atol=1e-6)


def test_a_prompt_that_fills_the_window_is_refused(family: Callable[[str], Path]) -> None:
    encoder = SentenceEncoder(
        str(family("mean")),
        device="cpu",
        max_seq_length=8,
        long_texts="pool",
        prompt="A film about the sea and a boat ",
    )
    with pytest.raises(EncoderError, match="leaves none for text"):
        encoder.encode(TEXTS)


def test_versions_are_encoded_each_and_averaged(family: Callable[[str], Path]) -> None:
    base = SentenceEncoder(str(family("mean")), device="cpu")
    single = base.encode(TEXTS)
    texts = [join_versions([TEXTS[0], "", TEXTS[1], TEXTS[0]]), "", TEXTS[2]]
    found = VersionsEncoder(base).encode(texts)
    np.testing.assert_allclose(found, [(single[0] + single[1]) / 2, np.zeros(32), single[2]], atol=1e-6)
    assert VersionsEncoder(base).fingerprint() != base.fingerprint()
