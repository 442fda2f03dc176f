"""What the neighbourhood of XLMLP takes: opinions and supports of all training rows, one thread.

Random users of 100 labelled items each, 20,000 items with texts of width 256, three of 40 categories; popularity falls
as 1 / (rank + 50). Printed: rows per second by all three kernels, and the peak memory beyond what the data takes.

Usage: python tests/benchmarks/neighbourhood_speed.py [rows, 1,000,000 by default]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import scipy.sparse as sp
import torch

from recbole_xlrec.model.kernels import CompanyKernel, TextKernel, ValuesKernel
from recbole_xlrec.model.neighbourhood import Opinions
from recbole_xlrec.text.aligned import TextRows
from recbole_xlrec.text.whitening import fit_whitening

ITEMS, EACH, WIDTH = 20_000, 100, 256


def main() -> None:
    """Prints a line."""
    torch.set_num_threads(1)
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    draw, people = np.random.default_rng(0), rows // EACH
    chances = 1 / (np.arange(ITEMS) + 50)
    users = np.repeat(np.arange(people), EACH)
    items = draw.choice(ITEMS, size=len(users), p=chances / chances.sum())
    labels = draw.integers(0, 2, len(users)).astype(np.float32)
    met = sp.csr_matrix((np.ones(len(users), dtype=np.float32), (users, items)), shape=(people, ITEMS))
    met.data[:] = 1
    matrix = draw.normal(size=(ITEMS, WIDTH)).astype(np.float32)
    texts = TextRows(matrix, np.arange(ITEMS), fit_whitening(matrix, "none"))
    kernels = [
        TextKernel(texts, np.zeros(people, dtype=np.int64), items),
        ValuesKernel(draw.integers(1, 41, (ITEMS, 3))),
        CompanyKernel(met),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    Opinions(users, items, labels, kernels).values(users, items, show_progress=True)
    spent = time.process_time() - started
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"{len(users):,} rows in {spent:.0f} CPU s, {len(users) / spent:,.0f} rows/s, {more:.2f} GB more")


if __name__ == "__main__":
    main()
