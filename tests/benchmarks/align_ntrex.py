"""Alignment of n-gram vectors on NTREX: retrieval@1 before and after, for each method.

XLREC_DATA=../shared/data python tests/benchmarks/align_ntrex.py

The 1,500 first sentences are fitted on and the 497 last held out, so that no document is in both; `--drawn` draws them.
The n-gram encoder learns from the 1,500 sentences of all languages named.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from recbole_xlrec.text.align.fit import METHODS, FitOptions, fit_alignment, measure
from recbole_xlrec.text.align.parallel import ParallelTexts, from_lines
from recbole_xlrec.text.encoders.ngram import NgramEncoder
from recbole_xlrec.text.report.console import retrieval_rows

FILES = {
    **{"de": "deu", "en": "eng", "es": "spa", "fr": "fra", "it": "ita"},
    **{"ja": "jpn", "ko": "kor", "pt": "por", "ru": "rus", "zh-CN": "zho-CN"},
}
FITTED = 1500


def main() -> None:
    """Prints one table a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="de,en,es,fr", help="of " + ",".join(FILES))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--drawn", action="store_true", help="draw the held-out sentences, of any document")
    given = parser.parse_args()
    folder = Path(os.environ["XLREC_DATA"], "parallel", "ntrex")
    texts = from_lines({tag: folder / f"{FILES[tag]}.txt" for tag in given.languages.split(",")})
    training, rest = parts(texts, given.drawn)
    encoder = NgramEncoder()
    encoder.fit(sorted({text for column in training.texts.values() for text in column}))
    console = Console()
    for method in given.methods.split(","):
        started = time.process_time()
        fitted = fit_alignment(training, encoder, FitOptions(method, dimension=given.dimension))
        seconds = time.process_time() - started
        console.print(f"\n{method}: {len(training)} fitted on, {len(rest)} held out, {seconds:.0f} CPU seconds")
        console.print(retrieval_rows(measure(rest, encoder, fitted)))


def parts(texts: ParallelTexts, drawn: bool) -> tuple[ParallelTexts, ParallelTexts]:
    """The sentences to fit on, and those held out."""
    order = np.random.default_rng(0).permutation(len(texts)) if drawn else np.arange(len(texts))
    return texts.rows(order[:FITTED]), texts.rows(order[FITTED:])


if __name__ == "__main__":
    main()
