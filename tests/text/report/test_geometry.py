"""Measures of vectors, on vectors whose answer is known."""

from __future__ import annotations

import numpy as np

from recbole_xlrec.text.report.geometry import isotropy, language_probe, mean_cosines

RANDOM = np.random.default_rng(0)


def test_vectors_in_all_directions_are_isotropic_and_a_cone_is_not() -> None:
    ball, cone = RANDOM.normal(size=(4000, 6)), RANDOM.normal(size=(4000, 6)) + 8
    assert (isotropy(ball) or 0) > 0.9
    assert (isotropy(cone) or 1) < 0.2
    line = np.ones((5, 1))
    np.testing.assert_allclose(isotropy(line), np.exp(-2))  # Z(-c) / Z(c) = e^-1 / e^1
    assert isotropy(np.zeros((3, 2))) is None


def test_mean_cosines_are_those_of_all_pairs() -> None:
    german, english = RANDOM.normal(size=(7, 4)), RANDOM.normal(size=(5, 4)) + 1
    found = mean_cosines({"de": np.vstack([german, np.zeros(4)]), "en": english, "fr": english[:1]})

    def cosine(left: np.ndarray, right: np.ndarray) -> float:
        return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))

    across = np.mean([cosine(a, b) for a in german for b in english])
    within = np.mean([cosine(a, b) for i, a in enumerate(german) for j, b in enumerate(german) if i != j])
    np.testing.assert_allclose([found["de"]["en"], found["en"]["de"], found["de"]["de"]], [across, across, within])
    assert found["fr"]["fr"] is None


def test_the_probe_tells_languages_that_lie_apart_and_no_others() -> None:
    mixed = {tag: RANDOM.normal(size=(120, 4)) for tag in ("de", "en", "fr")}
    apart = {tag: rows + 6 * np.eye(4)[place] for place, (tag, rows) in enumerate(mixed.items())}
    found, guessed = language_probe(apart), language_probe(mixed)
    assert found is not None
    assert guessed is not None
    assert found["accuracy"] > 0.95
    assert abs(guessed["accuracy"] - guessed["chance"]) < 0.12
    assert set(found["by_language"]) == {"de", "en", "fr"}
    assert language_probe({"de": mixed["de"], "en": mixed["en"][:5]}) is None
