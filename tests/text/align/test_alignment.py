"""An alignment from the fit to the vectors of a dataset."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.cli import main
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.text.align.alignment import ALIGNMENT, MAPS, Alignment, load_alignment
from recbole_xlrec.text.align.fit import METHODS, FitOptions, align
from recbole_xlrec.text.align.parallel import ParallelTexts
from recbole_xlrec.text.catalogue import EncoderOptions, catalogue_rows
from recbole_xlrec.text.encoders.aligned import AlignedEncoder, with_language
from recbole_xlrec.text.encoders.ngram import NgramEncoder
from recbole_xlrec.text.encoders.sentence import SentenceEncoder

Ciphers = Callable[[int], ParallelTexts]


@pytest.fixture(scope="session")
def fitted(ciphers: Ciphers) -> Alignment:
    return align(ciphers(300), NgramEncoder(), FitOptions("cca", dimension=40), 60)


@pytest.mark.parametrize("method", METHODS)
def test_languages_without_a_letter_in_common_find_their_translations(method: str, ciphers: Ciphers) -> None:
    found = align(ciphers(300), NgramEncoder(), FitOptions(method, dimension=60), 60).report["retrieval@1"]
    assert found["before"]["de-ru"]["de→ru"] < 0.1
    assert min(found["after"]["de-ru"]["de→ru"], found["after"]["en-ru"]["ru→en"]) > 0.6


def test_what_is_held_out_is_not_fitted_on(ciphers: Ciphers) -> None:
    texts = ciphers(120)
    training, rest = texts.split(40, 0)
    changed = ParallelTexts({tag: list(column) for tag, column in texts.texts.items()})
    for row in [texts.texts["de"].index(text) for text in rest.texts["de"]]:
        changed.texts["ru"][row] = "другое"
    found, expected = (align(given, NgramEncoder(), FitOptions(), 40) for given in (changed, texts))
    assert found.sha256 == expected.sha256
    assert found.report["retrieval@1"] != expected.report["retrieval@1"]
    assert len(training) == 80


def test_what_is_saved_is_read_back_and_gives_the_same_vectors(fitted: Alignment, tmp_path: Path) -> None:
    fitted.save(tmp_path / "al")
    found = load_alignment(tmp_path / "al")
    assert found.sha256 == fitted.sha256
    assert (found.encoder, found.method, found.pivot, found.report) == (
        fitted.encoder,
        "cca",
        "en",
        json.loads(json.dumps(fitted.report)),
    )
    texts = ["abcdef gh", "", "zzzz"]
    np.testing.assert_array_equal(found.apply_texts(texts, "de"), fitted.apply_texts(texts, "de"))
    assert {path.name for path in (tmp_path / "al").iterdir()} == {ALIGNMENT, MAPS}


def test_a_broken_or_mixed_folder_is_refused(fitted: Alignment, tmp_path: Path, ciphers: Ciphers) -> None:
    with pytest.raises(DataError, match="no alignment can be read"):
        load_alignment(tmp_path / "none")
    fitted.save(tmp_path / "a")
    align(ciphers(60), NgramEncoder(), FitOptions(), 0).save(tmp_path / "b")
    (tmp_path / "b" / MAPS).replace(tmp_path / "a" / MAPS)
    with pytest.raises(DataError, match="hash differs"):
        load_alignment(tmp_path / "a")
    (tmp_path / "a" / ALIGNMENT).write_text("{}")
    with pytest.raises(DataError, match="not noted"):
        load_alignment(tmp_path / "a")


def test_vectors_have_length_one_and_a_text_without_known_ngrams_is_zero(fitted: Alignment, ciphers: Ciphers) -> None:
    known = ciphers(300).texts["de"][0]
    vectors = fitted.apply_texts([known, "", "zzzz"], "de")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0], atol=1e-6)


def test_the_encoder_maps_each_text_by_its_language_and_warns_of_one_without_a_map(
    fitted: Alignment, ciphers: Ciphers, caplog: pytest.LogCaptureFixture
) -> None:
    text, encoder = ciphers(300).texts["de"][0], AlignedEncoder(NgramEncoder(), fitted, "x")
    with caplog.at_level(logging.WARNING):
        found = encoder.encode([with_language(tag, text) for tag in ("de", "en", "de-AT")] + [""])
    assert not caplog.records
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[0], fitted.apply_texts([text], "de")[0])
    assert not np.allclose(found[0], found[1])
    assert not found[3].any()
    other = encoder.encode([with_language("fr", text)])
    np.testing.assert_array_equal(other[0], found[1])
    assert "no map for 'fr'" in caplog.text


def test_an_alignment_of_another_encoder_is_refused(fitted: Alignment) -> None:
    with pytest.raises(ConfigError, match="max_n: 4 there, 5 here"):
        AlignedEncoder(NgramEncoder(3, 5), fitted, "x")


def test_a_neural_encoders_vectors_are_turned_by_language(
    sentence_model: Callable[..., Path], ciphers: Ciphers
) -> None:
    encoder, texts = SentenceEncoder(str(sentence_model("mean")), device="cpu"), ciphers(60)
    found = align(texts, encoder, FitOptions("procrustes"), 20)
    assert not found.lexical
    vectors = encoder.encode(texts.texts["de"][:3])
    moved = vectors @ found.maps["de"].map - found.maps["de"].offset
    expected = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    marked = [with_language("de", text) for text in texts.texts["de"][:3]]
    np.testing.assert_allclose(AlignedEncoder(encoder, found, "x").encode(marked), expected, atol=1e-5)


def test_in_a_dataset_the_alignment_is_part_of_the_key_and_brings_translations_together(
    fitted: Alignment, ciphers: Ciphers, tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    texts = ciphers(300).texts
    rows = [(f"{tag}:{n}", tag, texts[tag][n]) for n in range(20) for tag in ("de", "ru")]
    folder = write_dataset(tmp_path, item=[(item, tag) for item, tag, _ in rows], text=rows) / "tiny"
    fitted.save(tmp_path / "al")
    options = EncoderOptions.plain("ngram", alignment=str(tmp_path / "al"))
    items = [item for item, _, _ in rows]
    matrix, order = catalogue_rows(folder, "tiny", options, items)
    cosines = (matrix @ matrix.T)[np.ix_(order[::2], order[1::2])]  # (German, Russian)
    assert (cosines.argmax(axis=1) == np.arange(20)).mean() > 0.9
    other = Alignment(fitted.encoder, fitted.method, "de", fitted.maps)
    other.save(tmp_path / "al2")
    catalogue_rows(folder, "tiny", options._replace(alignment=str(tmp_path / "al2")), items)
    catalogue_rows(folder, "tiny", options._replace(alignment=None), items)
    assert len(list((folder / ".vectors").glob("*/vectors.npy"))) == 3


def test_a_part_of_the_catalogue_gets_the_vectors_of_the_whole(
    fitted: Alignment, ciphers: Ciphers, tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    texts = ciphers(300).texts["de"]
    folder = write_dataset(tmp_path, text=[(str(n), "de", texts[n]) for n in range(9)]) / "tiny"
    fitted.save(tmp_path / "al")
    options = EncoderOptions.plain("ngram", alignment=str(tmp_path / "al"))
    whole, rows = catalogue_rows(folder, "tiny", options, ["3", "5"], whole=False)
    np.testing.assert_allclose(whole[rows], fitted.apply_texts([texts[3], texts[5]], "de"), atol=1e-3)
    assert len(whole) == 9  # nothing is learned from the texts, so all may be encoded


def test_the_verb_writes_the_folder_and_prints_json(
    ciphers: Ciphers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ciphers(80).texts
    for tag in ("de", "en"):
        (tmp_path / tag).write_text("\n".join(texts[tag]) + "\n", encoding="utf-8")
    lines = [f"--lines={tag}={tmp_path / tag}" for tag in ("de", "en")]
    with pytest.raises(SystemExit) as done:
        main(["align", str(tmp_path / "al"), *lines, "--held-out=30", "--json"])
    assert done.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["groups"], printed["held_out"]) == (50, 30)
    assert load_alignment(tmp_path / "al").report == printed
    with pytest.raises(SystemExit) as failed:
        main(["align", str(tmp_path / "al")])
    assert failed.value.code == 2
    assert "--lines" in capsys.readouterr().err


def test_unknown_methods_and_pivots_are_refused(ciphers: Ciphers) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'procrustes'"):
        align(ciphers(40), NgramEncoder(), FitOptions("procrustus"), 0)
    with pytest.raises(ConfigError, match="'fr' is not one of"):
        align(ciphers(40), NgramEncoder(), FitOptions(pivot="fr"), 0)
