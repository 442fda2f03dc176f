"""Speed and memory of the n-gram encoder on one core: `python tests/benchmarks/ngram_speed.py [number of titles]`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import numpy as np

from recbole_xlrec.text.encoders.ngram import NgramEncoder

LENGTH = 25
SYLLABLES = {
    "latin": [a + b for a in "bcdfglmnprstvz" for b in "aeiou"],
    "cyrillic": [a + b for a in "бвгдзклмнпрст" for b in "аеиоу"],
    "japanese": [chr(code) for code in (*range(0x3042, 0x3094), *range(0x4E00, 0x5200))],
}


def titles(count: int, seed: int = 0) -> list[str]:
    """Returns titles of 25 characters in three scripts, with few common and many rare words."""
    random = np.random.default_rng(seed)
    vocabulary = [_words(script, random) for script in SYLLABLES]
    picks = np.minimum(random.zipf(1.3, size=(count, 16)), 20000) - 1
    made = []
    for row, pick in enumerate(picks):
        words = vocabulary[row % len(vocabulary)]
        between = "" if row % len(vocabulary) == 2 else " "
        made.append(between.join(words[index] for index in pick)[:LENGTH])
    return made


def _words(script: str, random: np.random.Generator) -> list[str]:
    parts = SYLLABLES[script]
    return ["".join(random.choice(parts, size=random.integers(1, 5))) for _ in range(20000)]


def peak_megabytes() -> float:
    """Returns the most memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def one_core() -> dict[str, str]:
    """Returns the environment in which numerical libraries use one thread."""
    return {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}


def main() -> None:
    """Prints titles a second and peak memory of fit and encode_sparse, then of the dense view."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    texts = titles(count)
    NgramEncoder().fit(texts[:100])  # scikit-learn's import is not what is measured
    before = peak_megabytes()
    encoder = NgramEncoder()
    started = time.process_time()
    encoder.fit(texts)
    matrix = encoder.encode_sparse(texts)
    seconds = time.process_time() - started
    print(f"{count:,} titles of {LENGTH} characters, one core, seconds of processor time")
    print(f"fit + encode_sparse: {count / seconds:,.0f} titles/s")
    print(f"{matrix.shape[1]:,} n-grams, {matrix.nnz / count:.0f} a title")
    print(f"peak memory {peak_megabytes():,.0f} MB ({before:,.0f} MB before)")
    started = time.process_time()
    new = encoder.encode_sparse([f"{text}." for text in texts[: count // 4]])
    print(f"encode_sparse of texts not fitted on: {new.shape[0] / (time.process_time() - started):,.0f} titles/s")
    started = time.process_time()
    dense = encoder.encode(texts)
    seconds = time.process_time() - started
    print(f"dense view of {dense.shape[1]} columns: {count / seconds:,.0f} titles/s, peak {peak_megabytes():,.0f} MB")


if __name__ == "__main__":
    # The libraries read their number of threads when they are imported: too late in this process.
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit(subprocess.run([sys.executable, *sys.argv], env=one_core(), check=False).returncode)
    main()
