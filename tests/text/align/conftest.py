"""Parallel text in made-up languages, and its hidden meaning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from recbole_xlrec.text.align.parallel import ParallelTexts


@pytest.fixture(scope="session")
def ciphers() -> Callable[[int], ParallelTexts]:
    """Sentences of eight of sixty concepts; each language has its own word for a concept and its own alphabet."""

    def make(groups: int) -> ParallelTexts:
        random = np.random.default_rng(0)
        words = {
            tag: _words(random, letters)
            for tag, letters in (("de", "abcdefgh"), ("en", "opqrstuv"), ("ru", "шщъыьэюя"))
        }
        chosen = [random.choice(60, size=8, replace=False) for _ in range(groups)]
        return ParallelTexts({tag: [" ".join(named[row]) for row in chosen] for tag, named in words.items()})

    return make


def _words(random: np.random.Generator, letters: str) -> NDArray[np.str_]:
    return np.array(["".join(random.choice(list(letters), size=6)) for _ in range(60)])
