"""Fitting an alignment, and measuring it on text that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.text.align.alignment import Alignment, LanguageMap
from recbole_xlrec.text.align.contrastive import contrastive
from recbole_xlrec.text.align.methods import Affine, Points, cca, procrustes
from recbole_xlrec.text.align.parallel import ParallelTexts
from recbole_xlrec.text.align.retrieval import retrieval_table
from recbole_xlrec.text.align.views import make_views, points_of
from recbole_xlrec.text.encoders.base import TextEncoder
from recbole_xlrec.text.encoders.ngram import NgramEncoder


class FitOptions(NamedTuple):
    """How to fit.

    Attributes:
        method: procrustes | cca | contrastive.
        pivot: The language that procrustes turns the others onto, and whose map serves languages without one; None
            takes English, or else the language that most groups have.
        dimension: Width of the aligned vectors at most; None keeps the encoder's.
        shrinkage: Of cca and contrastive, see `cca`.
        seed: Of what is random.
    """

    method: str = "cca"
    pivot: str | None = None
    dimension: int | None = None
    shrinkage: float = 0.3
    seed: int = 0


def _procrustes(points: Mapping[str, Points], groups: int, options: FitOptions, out: int) -> dict[str, Affine]:
    return procrustes(points, str(options.pivot), out)


def _cca(points: Mapping[str, Points], groups: int, options: FitOptions, out: int) -> dict[str, Affine]:
    return cca(points, groups, out, options.shrinkage, options.seed)


def _contrastive(points: Mapping[str, Points], groups: int, options: FitOptions, out: int) -> dict[str, Affine]:
    return contrastive(points, groups, out, options.shrinkage, options.seed)


Method = Callable[[Mapping[str, Points], int, FitOptions, int], dict[str, Affine]]
METHODS: dict[str, Method] = {"procrustes": _procrustes, "cca": _cca, "contrastive": _contrastive}


def fit_alignment(texts: ParallelTexts, encoder: TextEncoder, options: FitOptions) -> Alignment:
    """Fits one map a language on parallel text.

    Args:
        texts: Parallel text.
        encoder: The frozen encoder; one that learns from texts must have been fitted.
        options: How.

    Raises:
        ConfigError: The method or the pivot is not known.
        DataError: A language shares too few texts with the others.
    """
    if options.method not in METHODS:
        hint = did_you_mean(options.method, METHODS)
        raise ConfigError(f"align: method {options.method!r} is none of {', '.join(METHODS)}.{hint}")
    pivot = options.pivot or usual_pivot(texts)
    if pivot not in texts.texts:
        raise ConfigError(f"align: pivot {pivot!r} is not one of the languages {', '.join(texts.languages)}.")
    options = options._replace(pivot=pivot)
    views = make_views(texts, encoder, options.seed)
    width = encoder.dimension if isinstance(encoder, NgramEncoder) else views[pivot].points.vectors.shape[1]
    fitted = METHODS[options.method](points_of(views), len(texts), options, options.dimension or width)
    maps = {}
    for tag, view in views.items():
        whole = view.whole(fitted[tag])
        maps[tag] = LanguageMap(whole.map.astype(np.float32), whole.offset.astype(np.float32), view.lexicon)
    return Alignment(encoder.fingerprint(), options.method, pivot, maps, {"options": options._asdict()})


def align(texts: ParallelTexts, encoder: TextEncoder, options: FitOptions, held_out: float) -> Alignment:
    """Fits on a part of the parallel text, and reports retrieval@1 before and after on the rest, drawn by the seed."""
    training, rest = texts.split(held_out, options.seed)
    encoder.fit(sorted({text for column in training.texts.values() for text in column if text}))
    alignment = fit_alignment(training, encoder, options)
    alignment.report.update({"groups": len(training), "held_out": len(rest), "pairs": training_pairs(training)})
    if len(rest):
        alignment.report["retrieval@1"] = measure(rest, encoder, alignment)
    return alignment


def training_pairs(texts: ParallelTexts) -> dict[str, int]:
    """How many groups each two languages share, by `de-en`."""
    return {"-".join(pair): count for pair, count in texts.pairs().items()}


def measure(texts: ParallelTexts, encoder: TextEncoder, alignment: Alignment) -> dict[str, Any]:
    """Retrieval@1 by the encoder's vectors and by the aligned ones; of n-grams, by the sparse rows too."""
    found: dict[str, Any] = {"before": retrieval_table(texts, {t: encoder.encode(c) for t, c in texts.texts.items()})}
    if isinstance(encoder, NgramEncoder):
        sparse = {tag: encoder.encode_sparse(column) for tag, column in texts.texts.items()}
        found["before, all n-grams"] = retrieval_table(texts, sparse)
    after = {
        tag: alignment.apply_texts(column, tag) if alignment.lexical else alignment.apply(encoder.encode(column), tag)
        for tag, column in texts.texts.items()
    }
    found["after"] = retrieval_table(texts, after)
    return found


def usual_pivot(texts: ParallelTexts) -> str:
    """English, or else the language that most groups have."""
    if "en" in texts.texts:
        return "en"
    return max(texts.languages, key=lambda tag: len(texts.having(tag)))
