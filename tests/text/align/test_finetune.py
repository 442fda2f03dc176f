"""Training of an encoder on parallel text, with a tiny model and the real trainer."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from rich.console import Console
from typer.testing import CliRunner

from recbole_xlrec.cli_text import tune_encoder as verb
from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.align.finetune import REPORT, TuneOptions, tune_encoder
from recbole_xlrec.text.align.parallel import ParallelTexts
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.report.console import print_tuning

pytest.importorskip("datasets", reason="the extra [train] is not installed")

Build = Callable[..., Path]
NAMES = {
    "de": ["Katze", "Matte", "sitzt", "auf", "Die", "der", "Le", "chat"],
    "en": ["cat", "mat", "sits", "boat", "dog", "sea", "film", "about"],
}
FAST, SHORT = TuneOptions(epochs=10, batch_size=16, rate=0.1), TuneOptions(batch_size=32, rate=1e-3)
HELD_OUT = 24


@pytest.fixture(scope="session")
def translations() -> ParallelTexts:
    """One to three of eight words, of the tiny vocabulary, in each language."""
    chosen = [places for size in (1, 2, 3) for places in combinations(range(8), size)]
    texts = {tag: [" ".join(words[place] for place in places) for places in chosen] for tag, words in NAMES.items()}
    return ParallelTexts(texts)


@pytest.fixture(scope="session")
def static_model(sentence_model: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean of a vector a token: learns in a second what takes a transformer a minute."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    words = Tokenizer.from_file(str(sentence_model("mean") / "tokenizer.json"))
    folder = tmp_path_factory.mktemp("static") / "static"
    model = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=32)], device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


def encoder(folder: Path, **options: str) -> SentenceEncoder:
    return SentenceEncoder(str(folder), device="cpu", **options)  # type: ignore[arg-type]


def mean_retrieval(table: dict[str, dict[str, float]]) -> float:
    return float(np.mean([value for row in table.values() for name, value in row.items() if name != "texts"]))


def test_translations_that_training_has_not_seen_are_found_more_often(
    static_model: Path, translations: ParallelTexts, tmp_path: Path
) -> None:
    report = tune_encoder(translations, encoder(static_model), tmp_path / "tuned", FAST, HELD_OUT)
    before, after = (mean_retrieval(report["retrieval@1"][when]) for when in ("before", "after"))
    assert set(report["retrieval@1"]["after"]) == {"de-en"}
    assert after > 0.8 > 0.3 > before
    assert report["held_out"] == HELD_OUT


def test_the_folder_is_an_encoder_with_its_prompts_and_gives_what_was_measured(
    sentence_model: Build, translations: ParallelTexts, tmp_path: Path
) -> None:
    student = encoder(sentence_model("mean"))
    report = tune_encoder(translations, student, tmp_path / "tuned", SHORT, HELD_OUT)
    assert json.loads((tmp_path / "tuned" / REPORT).read_text()) == json.loads(json.dumps(report))
    assert [path.name for path in tmp_path.iterdir()] == ["tuned"]
    found, text = encoder(tmp_path / "tuned"), ["Die Katze sitzt"]
    assert found.prompt() == student.prompt() == "passage: "
    np.testing.assert_allclose(found.encode(text), student.encode(text), atol=1e-5)
    assert np.abs(found.encode(text) - encoder(sentence_model("mean")).encode(text)).max() > 1e-2
    assert found.fingerprint()["sha256"] != student.fingerprint()["sha256"]


def test_a_student_learns_the_teachers_vectors_of_the_translation(
    static_model: Path, sentence_model: Build, translations: ParallelTexts, tmp_path: Path
) -> None:
    student, teacher = encoder(static_model), encoder(sentence_model("mean"))
    _, rest = translations.split(HELD_OUT, 0)
    wanted = teacher.encode(rest.texts["en"])

    def error() -> float:
        return float(np.mean([(student.encode(column) - wanted) ** 2 for column in rest.texts.values()]))

    before = error()
    tune_encoder(translations, student, tmp_path / "tuned", FAST, HELD_OUT, teacher)
    assert error() < 0.5 * before


def test_a_teacher_of_another_width_a_folder_that_is_there_and_int8_are_refused(
    sentence_model: Build, translations: ParallelTexts, tmp_path: Path
) -> None:
    folder = sentence_model("mean")
    narrow = SentenceEncoder(str(folder), device="cpu", truncate=8)
    with pytest.raises(ConfigError, match=r"8 columns, those of .* 32"):
        tune_encoder(translations, encoder(folder), tmp_path / "new", FAST, HELD_OUT, narrow)
    with pytest.raises(ConfigError, match="pivot 'ru' is not one of the languages de, en"):
        tune_encoder(
            translations, encoder(folder), tmp_path / "new", FAST._replace(pivot="ru"), HELD_OUT, encoder(folder)
        )
    with pytest.raises(ConfigError, match="is there already"):
        tune_encoder(translations, encoder(folder), tmp_path, FAST, HELD_OUT)
    with pytest.raises(ConfigError, match="only float32 in torch"):
        tune_encoder(translations, encoder(folder, dtype="int8"), tmp_path / "new", FAST, HELD_OUT)
    assert not list(tmp_path.iterdir())


def test_training_that_fails_leaves_nothing_behind(
    sentence_model: Build, translations: ParallelTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("recbole_xlrec.text.align.finetune._train", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        tune_encoder(translations, encoder(sentence_model("mean")), tmp_path / "tuned", FAST, HELD_OUT)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_command(
    sentence_model: Build, translations: ParallelTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_xlrec.text.align.finetune.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"datasets and accelerate: pip install 'recbole_xlrec\[train\]'"):
        tune_encoder(translations, encoder(sentence_model("mean")), tmp_path / "tuned", FAST, HELD_OUT)


def test_the_verb_reads_parallel_files_and_prints_each_pair_before_and_after(
    sentence_model: Build, translations: ParallelTexts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()
    app.command()(verb)
    for tag in ("de", "en"):
        (tmp_path / tag).write_text("\n".join(translations.texts[tag]) + "\n", encoding="utf-8")
    named = [f"--encoder={sentence_model('mean')}", *(f"--lines={tag}={tmp_path / tag}" for tag in ("de", "en"))]
    done = CliRunner().invoke(app, [str(tmp_path / "tuned"), *named, "--held-out=30", "--device=cpu", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)  # nothing else is printed
    assert (tmp_path / "tuned" / "modules.json").is_file()
    print_tuning(report, tmp_path / "tuned", Console(width=200))
    printed = capsys.readouterr().out
    for expected in ("62 groups (de-en 62), 30 held out", "before", "after", "de→en", "en→de", "set encoder:"):
        assert expected in printed
