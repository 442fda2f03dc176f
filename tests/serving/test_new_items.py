from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.data.atomic import read_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.serving import Recommender

from .conftest import Serve

COLD = ["XLProfile/cold", "XLEASE/cold", "XLAlphaRec/cold", "XLSASRec/cold"]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes new items, one JSON object a line."""

    def lines(*items: Mapping[str, Any]) -> Path:
        path = tmp_path / "new.jsonl"
        path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
        return path

    return lines


def _twins(recommender: Recommender) -> list[dict[str, str]]:
    """New items with the texts of those that training never saw."""
    dataset = recommender.run.train
    texts = read_atomic(dataset.folder / "toy.text").set_index("item_id")
    cold = [item for item, count in zip(dataset.item_ids, dataset.training_counts, strict=True) if not count][1:]
    return [
        {"item_id": f"new-{item}", "language": texts.loc[item, "language"], "title": texts.loc[item, "title"]}
        for item in cold
    ]


@pytest.mark.parametrize("name", COLD)
def test_a_new_item_scores_as_an_unseen_item_of_the_catalogue_with_its_text(
    name: str, serve: Serve, write: Write
) -> None:
    twins = _twins(serve(name))
    assert len(twins) > 2
    recommender = Recommender(serve(name).run, write(*twins))
    users = ["en-0", "de-1"]
    for asked in ({"users": users}, {"histories": [recommender.history_of(user) for user in users]}):
        found = recommender.recommend(**asked, k=1000, languages=["en", "de"], exclude_seen=False)
        assert found.item_ids.shape[1] == 24 + len(twins)
        for row in range(2):
            scores = dict(zip(found.item_ids[row].tolist(), found.scores[row].tolist(), strict=True))
            for twin in twins:
                known = scores[twin["item_id"].removeprefix("new-")]
                assert scores[twin["item_id"]] == pytest.approx(known, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("name", ["XLProfile", "XLEASE", "XLAlphaRec", "XLAlphaRec/ids", "XLSASRec", "XLProfile/cold"])
def test_new_items_change_nothing_among_the_others(name: str, serve: Serve, write: Write) -> None:
    path = write({"item_id": "x", "language": "en", "title": "green cat"})
    before = serve(name).recommend(users=["en-0"], k=24, exclude_seen=False)
    after = Recommender(serve(name).run, path).recommend(users=["en-0"], k=25, exclude_seen=False)
    rest = [
        (item, score) for item, score in zip(after.item_ids[0], after.scores[0], strict=True) if item not in ("", "x")
    ]
    assert "x" in after.item_ids[0]
    there = before.item_ids[0] != ""
    assert [item for item, _ in rest] == before.item_ids[0][there].tolist()
    np.testing.assert_allclose([score for _, score in rest], before.scores[0][there], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["XLProfile", "XLEASE", "XLAlphaRec", "XLSASRec"])
def test_items_of_a_language_that_the_run_never_saw_are_recommended(name: str, serve: Serve, write: Write) -> None:
    path = write(
        {"item_id": "it:cat", "language": "IT", "title": "gatto black cat"},
        {"item_id": "it:car", "language": "it", "title": "camion black lorry"},
    )
    recommender = Recommender(serve(name).run, path)
    found = recommender.recommend([["en:0", "en:2", "en:4"]], k=5, languages=["it"])
    assert sorted(found.item_ids[0][:2]) == ["it:car", "it:cat"]
    assert found.notes == ["2 of 5: what may be recommended leaves no more"]
    if name in ("XLProfile", "XLEASE"):
        assert found.item_ids[0][0] == "it:cat"


def test_a_new_edition_of_a_work_stands_for_it_once(serve: Serve, write: Write) -> None:
    path = write({"item_id": "it:0", "language": "it", "title": "black cat", "work_id": "0"})
    recommender = Recommender(serve("XLProfile").run, path)
    options: dict[str, Any] = {"k": 30, "languages": ["en", "de", "it"], "exclude_seen": False}
    every = recommender.recommend([["en:2"]], **options).item_ids[0]
    single = recommender.recommend([["en:2"]], one_edition_per_work=True, **options).item_ids[0]
    assert {"it:0", "en:0", "de:0"} <= set(every)
    assert len({"it:0", "en:0", "de:0"} & set(single)) == 1


@pytest.mark.parametrize("name", ["BPR", "SASRec", "EASE"])
def test_models_that_know_items_by_their_id_refuse_new_ones(name: str, serve: Serve, write: Write) -> None:
    with pytest.raises(ConfigError, match=f"{name} knows items by their id only"):
        Recommender(serve(name).run, write({"item_id": "x", "language": "en", "title": "cat"}))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"item_id": "en:0", "language": "en", "title": "cat"}], "1 items are in the run's catalogue already: 'en:0'"),
        ([{"item_id": "x", "title": "cat"}], "1 of 1 lines have no language"),
        ([{"item_id": "x", "language": "en"}], "1 items have no text"),
        ([{"item_id": "x", "language": "xx-1", "title": "cat"}], "hold no usable language tag"),
        ([{"item_id": "x", "language": "en", "titel": "cat"}], "line 1 has a field 'titel'.* Did you mean 'title'"),
        ([{"item_id": "x", "language": "en", "title": "a"}] * 2, "2 lines repeat|1 lines repeat"),
        ([], "there is no item in it"),
        (["no object"], "line 1 is no JSON object"),
    ],
)
def test_files_that_are_not_of_new_items_are_refused(
    items: list[Any], message: str, serve: Serve, write: Write
) -> None:
    with pytest.raises(DataError, match=message):
        Recommender(serve("XLProfile").run, write(*items))


def test_a_line_that_is_no_json_is_named(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "new.jsonl"
    path.write_text('{"item_id": "x"\n')
    with pytest.raises(DataError, match="line 1 is no JSON"):
        Recommender(serve("XLProfile").run, path)
