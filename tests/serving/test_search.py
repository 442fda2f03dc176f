from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.errors import EncoderError
from recbole_xlrec.serving import Recommender
from recbole_xlrec.serving.queries import Options

from .conftest import Serve


def test_the_text_of_an_item_finds_the_item(serve: Serve) -> None:
    recommender = serve("BPR")
    texts = read_atomic(recommender.run.train.folder / "toy.text")
    found = recommender.search(texts["title"].tolist(), Options(k=1))
    assert found.item_ids[:, 0].tolist() == texts["item_id"].tolist()
    np.testing.assert_allclose(found.scores, 1, atol=1e-2)
    assert set(found.sources) == {"search"}


@pytest.mark.parametrize("name", ["XLProfile", "XLEASE/cold"])
def test_what_is_typed_is_encoded_as_the_catalogue_was(name: str, serve: Serve) -> None:
    recommender = serve(name)
    texts = read_atomic(recommender.run.train.folder / "toy.text").set_index("item_id")["title"]
    rows = recommender.space.rows.all()
    again = recommender.space.queries([texts[item] for item in recommender.run.train.item_ids[1:]])
    np.testing.assert_allclose(again, rows[1:], atol=1e-3)


def test_a_query_finds_the_same_whatever_else_is_asked(serve: Serve) -> None:
    recommender = serve("XLProfile")
    texts = ["black cat", "weiße Katze", "犬", "red"]
    together = recommender.search(texts, Options(k=5))
    for row, text in enumerate(texts):
        alone = recommender.search([text], Options(k=5))
        assert alone.item_ids[0].tolist() == together.item_ids[row].tolist()
        assert alone.notes[0] == together.notes[row]


def test_a_search_is_in_the_languages_asked_for(serve: Serve) -> None:
    recommender = serve("XLProfile")
    found = recommender.search(["black cat"], Options(k=12, languages=["de"]))
    assert {item.split(":")[0] for item in found.item_ids[0]} == {"de"}
    every = recommender.search(["black cat"], Options(k=24))
    assert {item.split(":")[0] for item in every.item_ids[0]} == {"de", "en"}
    assert every.item_ids[0][0] == "en:0"


def test_a_search_shows_the_text_that_it_found(serve: Serve) -> None:
    found = serve("XLProfile").search(["black cat"], Options(k=1, explain=True))
    assert found.reasons is not None
    (reason,) = found.reasons[0][0]
    assert reason.text == "black cat"
    assert reason.share == pytest.approx(1, abs=1e-2)


def test_a_query_of_which_the_encoder_knows_nothing_finds_nothing_and_says_so(serve: Serve) -> None:
    found = serve("XLProfile").search(["犬", ""], Options(k=3))
    assert found.item_ids.tolist() == [[""] * 3] * 2
    assert found.notes == ["nothing in the query is known to the encoder"] * 2


def test_vectors_made_elsewhere_cannot_be_searched(toy: Path, toy_config: Path) -> None:
    items = read_atomic(toy / "toy" / "toy.item")["item_id"].tolist()
    np.savez("vectors.npz", ids=np.array(items), vectors=np.random.default_rng(0).normal(size=(len(items), 4)))
    config = {"data_path": str(toy), "show_progress": False, "encoder": "file:vectors.npz"}
    recommender = Recommender.from_run(run("XLProfile", "toy", [toy_config], config).folder)
    assert recommender.recommend([["en:0"]], k=1).sources == ["model"]
    with pytest.raises(EncoderError, match="made elsewhere"):
        recommender.search(["cat"])
