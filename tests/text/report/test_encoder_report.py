"""The report on an encoder, with tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from recbole_xlrec.cli import main
from recbole_xlrec.text.encoders.known import KNOWN
from recbole_xlrec.text.encoders.tokens import token_measures
from recbole_xlrec.text.options import EncoderOptions
from recbole_xlrec.text.report.encoder_report import ReportOptions, encoder_report
from recbole_xlrec.text.report.language_model import load_language_model, model_kind, perplexity

WORDS = {"de": "Hund Katze Haus Baum Tisch", "en": "dog cat house tree table", "th": "หมา แมว บ้าน ต้นไม้ โต๊ะ"}


@pytest.fixture
def data(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    random = np.random.default_rng(0)
    drawn = [random.integers(5, size=3) for _ in range(30)]
    rows = [
        (str(item), tag, " ".join(words.split()[word] for word in drawn[item]) + f" {item}")
        for tag, words in WORDS.items()
        for item in range(30)
    ]
    return write_dataset(tmp_path, text=rows)


def test_the_report_finds_the_language_that_the_vocabulary_lacks(
    tiny_models: ModuleType, tmp_path: Path, data: Path
) -> None:
    sentences = [*WORDS["de"].split(), *WORDS["en"].split(), *"0123456789"]
    folder = tiny_models.build_transformer(tmp_path / "model", sentences=sentences)
    found = encoder_report(data / "tiny", "tiny", EncoderOptions.plain(str(folder), device="cpu"), ReportOptions())
    assert found["languages"]["th"]["unknown"] > 0.3
    assert found["languages"]["de"]["unknown"] < 0.01
    assert [warning[:3] for warning in found["warnings"]] == ["th:"]
    assert found["dimension"] == 32
    assert set(found["retrieval@1"]) == {"de-en", "de-th", "en-th"}
    assert found["probe"]["by_language"]["th"] > 0.7  # chance is 1/3
    assert json.loads(json.dumps(found)) == found


def test_tokens_are_counted_without_special_ones_and_the_window_with_them(
    tiny_models: ModuleType, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    folder = tiny_models.build_transformer(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["The cat sits on the mat.", "Die Katze"]
    lengths = [len(tokenizer.tokenize(text)) for text in texts]
    found = token_measures(tokenizer, texts, window=lengths[1] + 2)
    assert found["tokens"] == sum(lengths) / 2
    assert found["cut"] == 0.5
    assert token_measures(tokenizer, texts, None)["cut"] == 0.0
    assert token_measures(tokenizer, ["ⵣⵣⵣ"], None)["unknown"] > 0


def test_causal_perplexity_is_that_of_each_text_by_itself(tiny_models: ModuleType, tmp_path: Path) -> None:
    folder = tiny_models.build_decoder(tmp_path / "lm", head=True)
    assert model_kind(folder) == "causal"
    loaded = load_language_model(folder, "causal")
    texts = ["The cat sits on the mat.", "Die Katze", "猫がマットの上に座っています。"]
    losses, hits = [], []
    for text in texts:
        tokens = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = loaded.model(input_ids=tokens).logits[0, :-1]
        losses += torch.nn.functional.cross_entropy(logits, tokens[0, 1:], reduction="none").tolist()
        hits += (logits.argmax(dim=1) == tokens[0, 1:]).tolist()
    for batch_size in (1, 3):
        found = perplexity(loaded, texts, batch_size)
        np.testing.assert_allclose(found["perplexity"], np.exp(np.mean(losses)), rtol=1e-4)
        assert (found["accuracy"], found["predicted"]) == (np.mean(hits), len(losses))


def test_masked_perplexity_is_low_where_the_model_has_learned_the_texts(
    tiny_models: ModuleType, tmp_path: Path
) -> None:
    folder = tiny_models.build_masked_model(tmp_path / "lm")
    assert model_kind(folder) == "masked"
    loaded = load_language_model(folder, "masked")
    known, strange = "The cat sits on the mat.", "Кошка сидит на коврике."
    tokens = loaded.tokenizer(known, return_tensors="pt")["input_ids"]
    optimiser = torch.optim.Adam(loaded.model.parameters(), lr=0.003)
    batch, generator = tokens.repeat(32, 1), torch.Generator().manual_seed(0)
    for _ in range(200):
        hidden = torch.rand(batch.shape, generator=generator) < 0.15
        hidden[:, [0, -1]] = False
        shown = batch.masked_fill(hidden, loaded.tokenizer.mask_token_id)
        loaded.model(input_ids=shown, labels=batch.masked_fill(~hidden, -100)).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    texts = [known] * 20
    found, other = perplexity(loaded, texts), perplexity(loaded, [strange] * 20)
    assert found["perplexity"] < 3 < other["perplexity"]
    assert found["accuracy"] > 0.8
    assert found == perplexity(loaded, texts)
    assert found["predicted"] < 0.35 * len(loaded.tokenizer.tokenize(known)) * 20


def test_a_model_without_a_head_is_no_language_model(sentence_model: Callable[..., Path]) -> None:
    assert model_kind(sentence_model("mean")) is None


def test_a_language_models_folder_is_measured_as_encoder_and_as_model(
    tiny_models: ModuleType, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_models.build_masked_model(tmp_path / "lm")
    with pytest.raises(SystemExit) as done:
        main(["encoder-report", "tiny", f"--data-path={data}", f"--encoder={folder}", "--device=cpu", "--json"])
    assert done.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["languages"]["de"]["language_model"] == "masked"
    assert found["languages"]["de"]["perplexity"] > 1


def test_the_tables_name_every_language_and_every_known_encoder(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["encoder-report", "tiny", f"--data-path={data}"], ["encoders"]):
        with pytest.raises(SystemExit) as done:
            main(arguments)
        assert done.value.code == 0
    printed = capsys.readouterr().out
    for name in ("de→th", "told apart", *(known.name for known in KNOWN)):
        assert name in printed


def test_a_model_in_the_cache_is_listed_as_present(
    sentence_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    repo = tmp_path / "models--intfloat--multilingual-e5-small"
    (repo / "snapshots").mkdir(parents=True)
    (repo / "snapshots" / ("a" * 40)).symlink_to(sentence_model("mean"))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    with pytest.raises(SystemExit):
        main(["encoders", "--json"])
    present = {row["name"] for row in json.loads(capsys.readouterr().out) if row["present"]}
    assert present == {"ngram", "intfloat/multilingual-e5-small"}
