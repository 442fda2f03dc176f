"""The report on one encoder and one dataset: what tells that an encoder is poor in a language, before training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import DataError
from recbole_xlrec.text.align.parallel import ParallelTexts, from_dataset
from recbole_xlrec.text.align.retrieval import retrieval_table
from recbole_xlrec.text.encoders.aligned import AlignedEncoder, with_language
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.encoders.tokens import UNKNOWN_LIMIT, token_measures
from recbole_xlrec.text.options import EncoderOptions, catalogue_encoder
from recbole_xlrec.text.report.geometry import isotropy, language_probe, mean_cosines
from recbole_xlrec.text.report.language_model import load_language_model, model_kind, perplexity
from recbole_xlrec.text.report.sampling import texts_by_language


class ReportOptions(NamedTuple):
    """How much to measure.

    Attributes:
        most: Texts of each language at most, and parallel groups.
        seed: Of the draws.
    """

    most: int = 1000
    seed: int = 0


def encoder_report(
    folder: Path,
    name: str,
    options: EncoderOptions,
    report: ReportOptions,
    parallel: ParallelTexts | None = None,
) -> dict[str, Any]:
    """Measures an encoder on the texts of a dataset.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        options: The encoder.
        report: How much to measure.
        parallel: Parallel text; by default the dataset's own, where items have texts in several languages.

    Returns:
        Plain values: `languages` (measures of each), `cosines`, `probe`, `isotropy`, `retrieval@1`, `language_model`,
        `warnings`.

    Raises:
        DataError: If the dataset has no texts.
        EncoderError: If the encoder cannot be loaded.
    """
    texts = texts_by_language(folder, name, options.text_template, report.most, report.seed)
    parallel = parallel if parallel is not None else _own_parallel(folder, name, options, report)
    encoder = catalogue_encoder(options._replace(text_languages="own"))
    columns = [*texts.values(), *(parallel.texts.values() if parallel is not None else ())]
    encoder.fit(sorted({text for column in columns for text in column if text}))
    vectors = {tag: _encode(encoder, found, tag) for tag, found in texts.items()}
    base = encoder.base if isinstance(encoder, AlignedEncoder) else encoder
    tokens = _tokens(base, texts)
    model = _language_model(base, texts, options.device)
    languages = {
        tag: {"texts": len(found), **tokens.get(tag, {}), "isotropy": isotropy(vectors[tag]), **model.get(tag, {})}
        for tag, found in texts.items()
    }
    return {
        "dataset": name,
        "encoder": options.encoder,
        "alignment": options.alignment,
        "dimension": int(next(iter(vectors.values())).shape[1]),
        "languages": languages,
        "isotropy": isotropy(np.concatenate(list(vectors.values()))),
        "cosines": mean_cosines(vectors),
        "probe": language_probe(vectors, report.seed),
        "retrieval@1": _retrieval(encoder, parallel),
        "warnings": _warnings(languages),
    }


def _encode(encoder: TextEncoder, texts: list[str], language: str) -> NDArray[np.float32]:
    marked = isinstance(encoder, AlignedEncoder)
    return encoder.encode([with_language(language, text) for text in texts] if marked else texts)


def _own_parallel(folder: Path, name: str, options: EncoderOptions, report: ReportOptions) -> ParallelTexts | None:
    for by in ("item_id", "work_id"):
        try:
            found = from_dataset(folder, name, by, options.text_template)
        except DataError:  # most datasets have one language an item, and no works: then there is nothing to measure
            continue
        if len(found) <= report.most:
            return found
        return found.rows(np.sort(np.random.default_rng(report.seed).permutation(len(found))[: report.most]))
    return None


def _retrieval(encoder: TextEncoder, parallel: ParallelTexts | None) -> dict[str, Any] | None:
    if parallel is None:
        return None
    return retrieval_table(parallel, {tag: _encode(encoder, column, tag) for tag, column in parallel.texts.items()})


def _tokens(encoder: TextEncoder, texts: Mapping[str, list[str]]) -> dict[str, dict[str, float | None]]:
    if not isinstance(encoder, SentenceEncoder):
        return {}
    tokenizer, window = encoder.tokenizer()
    return {tag: token_measures(tokenizer, found, window) for tag, found in texts.items()} if tokenizer else {}


def _language_model(
    encoder: TextEncoder, texts: Mapping[str, list[str]], device: str | None
) -> dict[str, dict[str, float | int | None]]:
    folder = encoder.folder() if isinstance(encoder, SentenceEncoder) else None
    kind = model_kind(folder) if folder is not None else None
    if folder is None or kind is None:
        return {}
    model = load_language_model(folder, kind, device)
    return {tag: {"language_model": kind, **perplexity(model, found)} for tag, found in texts.items()}  # type: ignore[dict-item]


def _warnings(languages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    for tag, measured in languages.items():
        if (measured.get("unknown") or 0) > UNKNOWN_LIMIT:
            found.append(
                f"{tag}: {measured['unknown']:.1%} of the tokens are not in the vocabulary; choose an encoder that "
                "knows the script"
            )
        if (measured.get("cut") or 0) > UNKNOWN_LIMIT:
            found.append(f"{tag}: {measured['cut']:.1%} of the texts are longer than the model's window and are cut")
    return found
