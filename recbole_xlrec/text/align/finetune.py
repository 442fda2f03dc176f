"""Fine-tuning of a sentence encoder on parallel text, by sentence-transformers' trainer.

Either the translation of a text must be nearer than the other translations of its batch (InfoNCE in both directions),
or every text must have the vector that a teacher gives its translation in the pivot language (Reimers and Gurevych,
EMNLP 2020, https://arxiv.org/abs/2004.09813). Where `align` puts a map on top of frozen vectors, this changes the
encoder itself: more can be learned, and more parallel text and a GPU are wanted.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.text.align.fit import training_pairs, usual_pivot
from recbole_xlrec.text.align.parallel import LEAST_PAIRS, ParallelTexts
from recbole_xlrec.text.align.retrieval import retrieval_table
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

if TYPE_CHECKING:
    from datasets import DatasetDict

REPORT = "tuning.json"


class TuneOptions(NamedTuple):
    """How the encoder is trained.

    Attributes:
        epochs: Times that every pair of translations is seen.
        batch_size: Pairs a batch: the other translations of the batch are the negatives.
        rate: Learning rate of AdamW at its highest, after a tenth of the steps.
        pivot: The language that a teacher knows; None takes English, or else the one that most groups have.
        seed: Of the order of the pairs and of dropout.
    """

    epochs: int = 1
    batch_size: int = 64
    rate: float = 2e-5
    pivot: str | None = None
    seed: int = 0


def tune_encoder(
    texts: ParallelTexts,
    encoder: SentenceEncoder,
    output: Path,
    options: TuneOptions,
    held_out: float,
    teacher: SentenceEncoder | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Trains an encoder on a part of parallel text, and writes it as a sentence-transformers folder.

    Args:
        texts: Parallel text.
        encoder: The encoder; its model is changed.
        output: The folder to write, complete or not at all; must not be there yet.
        options: How.
        held_out: Share, or number, of groups that are kept for the measure, drawn by the seed.
        teacher: Gives the vectors to learn, of the texts in the pivot language; None for the contrastive way.
        show_progress: Shows a progress bar.

    Returns:
        Plain values, as in the folder's `tuning.json`: retrieval@1 `before` and `after` of each two languages.

    Raises:
        EncoderError: The encoder cannot be loaded, or a package that training needs is missing.
        ConfigError: The folder is there, the encoder cannot be trained as it is loaded, or it and the teacher differ in
            width.
    """
    _check(encoder, output)
    training, rest = texts.split(held_out, options.seed)
    before = measured(rest, encoder)
    rows = _pairs(training) if teacher is None else _lessons(training, encoder, teacher, options.pivot)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as name:
        work = Path(name)
        _train(encoder, rows, teacher is not None, options, work / "trainer", show_progress)
        report = {
            "encoder": encoder.fingerprint(),
            "teacher": teacher.fingerprint() if teacher is not None else None,
            "options": options._asdict(),
            "groups": len(training),
            "held_out": len(rest),
            "pairs": training_pairs(training),
            "retrieval@1": {"before": before, "after": measured(rest, encoder)},
        }
        encoder.model().save(str(work / "model"), create_model_card=False)
        (work / "model" / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(work / "model", output)
    return report


def measured(texts: ParallelTexts, encoder: SentenceEncoder) -> dict[str, dict[str, float | int]]:
    """Retrieval@1 of each two languages that share enough texts."""
    return retrieval_table(texts, {tag: encoder.encode(column) for tag, column in texts.texts.items()})


def _check(encoder: SentenceEncoder, output: Path) -> None:
    missing = [package for package in ("datasets", "accelerate") if find_spec(package) is None]
    if missing:
        raise EncoderError(f"training an encoder needs {' and '.join(missing)}: pip install 'recbole_xlrec[train]'")
    if encoder.options.dtype != "float32" or encoder.options.backend != "torch":
        raise ConfigError(
            f"encoder {encoder.name} is loaded as {encoder.options.dtype} in {encoder.options.backend}; only float32 "
            "in torch can be trained."
        )
    if output.exists():
        raise ConfigError(f"{output} is there already: remove it, or name another folder.")


def _pairs(texts: ParallelTexts) -> DatasetDict:
    """A dataset for each two languages, so that the negatives of a batch are of one language, as what is asked is."""
    from datasets import Dataset, DatasetDict

    found = {}
    for (first, second), count in texts.pairs().items():
        if count >= LEAST_PAIRS:
            both = texts.rows(texts.having(first, second)).texts
            found[f"{first}-{second}"] = Dataset.from_dict({"first": both[first], "second": both[second]})
    return DatasetDict(found)


def _lessons(
    texts: ParallelTexts, encoder: SentenceEncoder, teacher: SentenceEncoder, pivot: str | None
) -> DatasetDict:
    """A dataset for each language: its texts, and the teacher's vectors of the same groups in the pivot language."""
    from datasets import Dataset, DatasetDict

    pivot = pivot or usual_pivot(texts)
    if pivot not in texts.texts:
        raise ConfigError(f"pivot {pivot!r} is not one of the languages {', '.join(texts.languages)}.")
    wanted = teacher.encode(texts.texts[pivot])  # (groups, width)
    width = encoder.encode([""]).shape[1]
    if wanted.shape[1] != width:
        raise ConfigError(
            f"the teacher's vectors have {wanted.shape[1]} columns, those of {encoder.name} {width}: take a teacher of "
            "the same width."
        )
    found = {}
    for tag in texts.languages:
        both = texts.having(tag, pivot)
        if len(both) >= LEAST_PAIRS:
            known = {"text": texts.rows(both).texts[tag], "label": wanted[both].tolist()}
            found[tag] = Dataset.from_dict(known)
    return DatasetDict(found)


def _train(
    encoder: SentenceEncoder, rows: DatasetDict, taught: bool, options: TuneOptions, folder: Path, show_progress: bool
) -> None:
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.losses import MSELoss, MultipleNegativesRankingLoss
    from transformers import PrinterCallback

    model = encoder.model()
    model.model_card_data.generate_widget_examples = False  # no card is written
    steps = options.epochs * sum(-(-len(part) // options.batch_size) for part in rows.values())
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.rate,
        warmup_steps=steps // 10,
        seed=options.seed,
        batch_sampler=BatchSamplers.BATCH_SAMPLER if taught else BatchSamplers.NO_DUPLICATES,
        prompts=encoder.prompt() or None,
        use_cpu=model.device.type == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=not show_progress,
    )
    both_ways = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    loss = MSELoss(model) if taught else MultipleNegativesRankingLoss(model, **both_ways)
    trainer = SentenceTransformerTrainer(model=model, args=arguments, train_dataset=rows, loss=loss)
    trainer.remove_callback(PrinterCallback)  # it writes where the report may be wanted as JSON
    trainer.train()
    model.eval()
