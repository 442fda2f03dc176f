"""Editions of one work share a vector, which makes known what training never met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.model.works import Works

#: padding; two editions of a, of which one was met; three without a work; a work of one item; two of b, both unmet
NAMES = ["", "a", "a", "", "", "", "alone", "b", "b"]
COUNTS = torch.tensor([0, 3, 0, 2, 0, 1, 4, 0, 0])


def test_editions_have_one_vector_and_what_nobody_met_has_none() -> None:
    works = Works(NAMES, COUNTS, width=4)
    assert len(works.vectors.weight) == 3  # none, a and b
    found = works(None)
    assert torch.equal(found[1], works.vectors.weight[works.codes[1]])
    assert torch.equal(found[1], found[2])
    assert found[1].any()
    assert not found[[0, 3, 4, 5, 6, 7, 8]].any()
    assert torch.equal(works(torch.tensor([2, 3])), found[[2, 3]])


def test_an_item_is_known_by_the_interactions_of_its_work() -> None:
    assert Works(NAMES, COUNTS, width=4).counts.tolist() == [0, 3, 3, 2, 0, 1, 4, 0, 0]


def test_vectors_are_no_longer_than_their_bound() -> None:
    works = Works(NAMES, COUNTS, width=4, longest=0.5)
    torch.nn.init.constant_(works.vectors.weight, 1.0)
    assert float(works(torch.tensor([1])).detach().norm()) == pytest.approx(0.5)


def test_without_editions_there_is_nothing_to_share() -> None:
    with pytest.raises(ConfigError, match=r"no two items have one work_id\. Set it to False"):
        Works(["", "a", "", "b", ""], torch.ones(5), width=4)


FILMS = "abcdefghijklmnop"


@pytest.fixture
def films(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    """Sixteen films in two storefronts without a word in common; everybody sees twelve of them in the same order."""
    users = {f"{language}-{user}": language for language in ("en", "de") for user in range(30)}
    inter = []
    for number, (user, language) in enumerate(users.items()):
        start = number % 16
        order = [FILMS[(start + step) % 16] for step in range(12)]
        inter += [(user, f"{language}:{film}", time) for time, film in enumerate(order)]
    items = [(f"{language}:{film}", language, film) for language in ("en", "de") for film in FILMS]
    texts = [(f"en:{film}", "en", str(place) * 3) for place, film in enumerate(FILMS)]
    texts += [(f"de:{film}", "de", film.upper() * 2) for film in FILMS]
    return write_dataset(
        tmp_path / "data",
        columns={"item": ("item_id", "language", "work_id")},
        types={"work_id": "token"},
        inter=inter,
        user=list(users.items()),
        item=items,
        text=texts,
    )


CHOSEN: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": None, "mode": "full"},
    "candidates": "language",
    "protocol": "zero_shot",
    "protocol_language": ["de"],
    "MAX_ITEM_LIST_LENGTH": 12,
    "window_stride": 6,
    "epochs": 40,
    "learning_rate": 0.01,
    "dropout": 0.0,
    "weight_average": 0.0,
    "topk": [1],
    "metrics": ["Hit"],
    "valid_metric": "Hit@1",
    "show_progress": False,
    "state": "ERROR",
}


def test_a_language_that_training_never_saw_is_recommended_in_by_its_editions(films: Path) -> None:
    found = {
        shared: run("XLSASRec", "tiny", None, {**CHOSEN, "data_path": str(films), "work_embedding": shared})
        for shared in (False, True)
    }
    hits = {shared: done.metrics["test"]["hit@1"] for shared, done in found.items()}
    assert hits[True] > 0.6
    assert hits[False] < 0.3


def test_data_without_works_are_named(films: Path) -> None:
    table = films / "tiny" / "tiny.item"
    table.write_text(table.read_text().replace("work_id:token", "other:token"))
    with pytest.raises(DataError, match="work_id"):
        run("XLSASRec", "tiny", None, {**CHOSEN, "data_path": str(films), "work_embedding": True})
