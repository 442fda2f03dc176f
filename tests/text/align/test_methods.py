"""The maps, on vectors whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ortho_group

from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.align.contrastive import contrastive
from recbole_xlrec.text.align.methods import Affine, Points, cca, procrustes
from recbole_xlrec.text.align.retrieval import retrieval_at_1

RANDOM = np.random.default_rng(0)


def points(vectors: NDArray[np.float64]) -> Points:
    return Points(vectors, np.arange(len(vectors)))


def apply(fitted: Affine, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors @ fitted.map - fitted.offset


def hidden(rows: int, width: int, concepts: int = 5, noise: float = 0.1) -> list[NDArray[np.float64]]:
    """Three languages that see the same concepts, each through a mixing of its own and with directions of its own."""
    meaning = RANDOM.normal(size=(rows, concepts))
    return [
        meaning @ RANDOM.normal(size=(concepts, width)) + noise * RANDOM.normal(size=(rows, width)) + 3
        for _ in range(3)
    ]


def test_procrustes_finds_the_rotation_and_the_shift() -> None:
    english = RANDOM.normal(size=(60, 6))
    turn = ortho_group.rvs(6, random_state=0)
    german = english @ turn + 2
    maps = procrustes({"de": points(german), "en": points(english)}, "en", 6)
    np.testing.assert_allclose(apply(maps["de"], german), apply(maps["en"], english), atol=1e-8)
    np.testing.assert_allclose(maps["de"].map @ maps["de"].map.T, np.eye(6), atol=1e-8)
    np.testing.assert_allclose(maps["en"].map, np.eye(6))


def test_procrustes_needs_a_pivot_that_shares_texts() -> None:
    found = {
        "de": Points(RANDOM.normal(size=(40, 3)), np.arange(40)),
        "en": Points(np.ones((40, 3)), np.arange(30, 70)),
    }
    with pytest.raises(DataError, match="de shares 10 groups with the pivot en"):
        procrustes(found, "en", 3)
    with pytest.raises(ConfigError, match="'fr' is not one of"):
        procrustes(found, "fr", 3)


def test_cca_of_two_languages_has_the_canonical_directions_of_the_textbook() -> None:
    german, english, _ = hidden(400, 6, noise=1.0)
    maps = cca({"de": points(german), "en": points(english)}, 400, 5, 1e-9, 0)
    ours = [apply(maps["de"], german)[:, column] for column in range(5)]
    theirs = [apply(maps["en"], english)[:, column] for column in range(5)]
    found = [abs(np.corrcoef(left, right)[0, 1]) for left, right in zip(ours, theirs, strict=True)]
    roots = [np.linalg.qr(side - side.mean(axis=0))[0] for side in (german, english)]
    expected = np.linalg.svd(roots[0].T @ roots[1])[1][:5]  # Björck and Golub 1973
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_cca_bridges_languages_that_share_no_group_through_a_third() -> None:
    german, english, french = hidden(300, 8)
    found = {
        "de": Points(german[:200], np.arange(200)),
        "en": Points(english[:250], np.arange(250)),
        "fr": Points(french[200:], np.arange(200, 300)),  # no group with German
    }
    maps = cca(found, 300, 5, 1e-3, 0)
    left, right = apply(maps["de"], german[250:]), apply(maps["fr"], french[250:])
    assert retrieval_at_1(left, right) > 0.8
    assert retrieval_at_1(german[250:], french[250:]) < 0.2


def test_one_languages_own_directions_are_left_out_by_cca() -> None:
    meaning = RANDOM.normal(size=(300, 3))
    loud = 30 * RANDOM.normal(size=(300, 2))
    found = {"de": points(np.hstack([loud, meaning])), "en": points(meaning + 0.01 * RANDOM.normal(size=(300, 3)))}
    maps = cca(found, 300, 3, 1e-6, 0)
    assert np.abs(maps["de"].map[:2]).max() * 30 < 0.05 * np.abs(maps["de"].map[2:]).max()


def test_a_randomised_decomposition_gives_what_the_exact_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    german, english, _ = hidden(200, 8)
    found = {"de": points(german), "en": points(english)}
    exact = cca(found, 200, 5, 0.1, 0)
    monkeypatch.setattr("recbole_xlrec.text.align.methods._EXACT", 4)
    drawn = cca(found, 200, 5, 0.1, 0)
    for tag in found:
        np.testing.assert_allclose(np.abs(drawn[tag].map), np.abs(exact[tag].map), rtol=1e-4, atol=1e-9)


def test_the_contrastive_projector_retrieves_what_raw_vectors_do_not() -> None:
    german, english, _ = hidden(300, 8)
    found = {"de": points(german[:200]), "en": points(english[:200])}
    maps = contrastive(found, 200, 5, 0.1, 0)
    left, right = apply(maps["de"], german[200:]), apply(maps["en"], english[200:])
    assert retrieval_at_1(left, right) > 0.9
    start = cca(found, 200, 5, 0.1, 0)
    assert not np.allclose(start["de"].map, maps["de"].map)


def test_retrieval_counts_by_hand() -> None:
    source = np.array([[1.0, 0], [0, 1], [1, 1], [0, 0]])
    target = np.array([[2.0, 0], [1, 0.1], [1, 1], [1, 0]])
    assert retrieval_at_1(source, target) == 0.5  # 1st and 3rd; the 2nd is nearest to the 3rd, the 4th is empty
    assert retrieval_at_1(source, target, ["a", "b", "b", "a"]) == 0.75  # the 2nd finds a text like its own
