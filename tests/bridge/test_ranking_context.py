"""What runs save beside their ranking: the same histories for every kind of model, told from the raw files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_xlrec.bridge.experiment import Run, run
from recbole_xlrec.data.atomic import write_atomic
from recbole_xlrec.evaluation.context import load_context
from recbole_xlrec.evaluation.judge import judge
from recbole_xlrec.ranking.ranking import load_ranking

CE = {"train_neg_sample_args": None}
SMALL = {"hidden_size": 8, "n_heads": 1, "n_layers": 1, "inner_size": 8, "MAX_ITEM_LIST_LENGTH": 3, **CE}
#: General, sequential with all prefixes written out, sequential from flat sequences, windows.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "BPR": ("BPR", {}),
    "SASRec": ("SASRec", SMALL),
    "SASRec, lazy": ("SASRec", {**SMALL, "lazy_sequences": True}),
    "XLSASRec": ("XLSASRec", {**SMALL, "window_stride": 2, "encoder_dimension": 4}),
}
LS = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"}


def _told() -> dict[str, list[str]]:
    """Each user's items, oldest first; longer than the longest history that a sequential model sees."""
    rng = np.random.default_rng(5)
    return {
        f"{('de', 'en')[number % 2]}-{number}": [
            f"{('de', 'en')[item % 2]}{item}" for item in rng.permutation(14)[:size]
        ]
        for number, size in enumerate([7, 4, 9, 5, 6, 8, 5, 4])
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    told = _told()
    rng = np.random.default_rng(0)
    events = [
        (user, item, place * 10 + int(user[3:])) for user, items in told.items() for place, item in enumerate(items)
    ]
    items = sorted({item for listed in told.values() for item in listed})
    return write_dataset(
        tmp_path_factory.mktemp("data"),
        inter=[events[row] for row in rng.permutation(len(events))],
        user=[(user, user[:2]) for user in told],
        item=[(item, item[:2]) for item in items],
        text=[(item, item[:2], f"title {item}") for item in items],
    )


def _run(data: Path, model: str, name: str = "tiny", **config: Any) -> Run:
    quiet = {"show_progress": False, "epochs": 1, "state": "ERROR", "topk": [2], "valid_metric": "NDCG@2"}
    columns = {"inter": ["user_id", "item_id", "timestamp"]}
    chosen = {"data_path": str(data), "load_col": columns, "metrics": ["NDCG"], "eval_args": LS, "ranking_k": 5}
    return run(model, name, None, {**quiet, **chosen, **config})


def _histories(found: Run) -> dict[str, list[str]]:
    """What the context says each query's user had met."""
    ranking, context = load_ranking(found.folder / "ranking.npz"), load_context(found.folder / "context.npz")
    starts = context.history_starts
    return {
        user: context.item_ids[context.history_items[start:end]].tolist()
        for user, start, end in zip(ranking.query_ids.tolist(), starts[:-1], starts[1:], strict=True)
    }


@pytest.mark.parametrize("name", MODELS)
def test_a_history_is_all_of_training_and_validation_oldest_first(name: str, data: Path) -> None:
    model, keys = MODELS[name]
    found = _run(data, model, **keys)
    assert _histories(found) == {user: items[:-1] for user, items in _told().items()}
    context = load_context(found.folder / "context.npz")
    trained = [item for items in _told().values() for item in items[:-2]]
    assert dict(zip(context.item_ids.tolist(), context.item_counts.tolist(), strict=True)) == {
        item: trained.count(item) for item in context.item_ids.tolist()
    }
    assert [item[:2] for item in context.item_ids.tolist()] == context.item_languages.tolist()
    assert "[PAD]" not in context.item_ids
    judged = judge(load_ranking(found.folder / "ranking.npz"), context, ["ndcg"], [2])
    assert judged["overall"]["ndcg@2"] == pytest.approx(found.metrics["test"]["ndcg@2"], abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_users_whom_the_protocol_hides_keep_their_histories(name: str, data: Path) -> None:
    model, keys = MODELS[name]
    found = _run(data, model, **keys, protocol="zero_shot", protocol_language="en")
    assert _histories(found) == {user: items[:-1] for user, items in _told().items() if user.startswith("en")}
    counts = load_context(found.folder / "context.npz").item_counts
    assert counts.sum() == sum(len(items) - 2 for user, items in _told().items() if user.startswith("de"))


@pytest.mark.parametrize("name", ["BPR", "SASRec", "XLSASRec"])
def test_items_that_the_protocol_hides_are_in_no_history(name: str, data: Path) -> None:
    model, keys = MODELS[name]
    found = _run(data, model, **keys, protocol="cold_item", cold_share=0.3)
    cold = set(load_ranking(found.folder / "ranking.npz").target_ids.ravel().tolist()) - {""}
    for user, history in _histories(found).items():
        assert history
        assert not cold & set(history)
        assert history == [item for item in _told()[user] if item in history]


@pytest.mark.parametrize("name", MODELS)
def test_a_part_of_several_targets_has_one_history_a_user(name: str, data: Path) -> None:
    model, keys = MODELS[name]
    shares = {"eval_args": {**LS, "split": {"RS": [0.5, 0.2, 0.3]}}}
    found = _run(data, model, **keys, **shares)
    ranking = load_ranking(found.folder / "ranking.npz")
    for user, history in _histories(found).items():
        later = set(ranking.target_ids[ranking.query_ids == user].ravel().tolist()) - {""}
        assert history == [item for item in _told()[user] if item not in later]
    if name != "BPR":  # a query a target
        assert len(ranking.query_ids) > len(set(ranking.query_ids.tolist()))


def test_without_times_the_histories_are_there_in_the_order_of_the_file(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    events = [(f"u{user}", f"i{(user + item) % 6}", 0) for user in range(4) for item in range(5)]
    data = write_dataset(tmp_path / "data", inter=events)
    random = {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO", "group_by": "user", "mode": "full"}
    found = _run(data, "Pop", load_col={"inter": ["user_id", "item_id"]}, eval_args=random)
    ranking, context = load_ranking(found.folder / "ranking.npz"), load_context(found.folder / "context.npz")
    for query, (user, history) in enumerate(_histories(found).items()):
        every = {item for one, item, _ in events if one == user}
        assert set(history) == every - set(ranking.target_ids[query].tolist())
    assert set(context.item_languages.tolist()) == {""}


def test_sequences_that_a_benchmark_file_holds_are_histories(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    told = _told()
    data = write_dataset(tmp_path / "data", user=[(user, user[:2]) for user in told])
    rows: dict[str, list[tuple[str, str, str]]] = {"train": [], "valid": [], "test": []}
    for user, items in told.items():
        for place in range(2, len(items)):  # two items at least before a target
            part = {len(items) - 1: "test", len(items) - 2: "valid"}.get(place, "train")
            rows[part].append((user, " ".join(items[:place]), items[place]))
    import pandas as pd

    for part, listed in rows.items():
        frame = pd.DataFrame(listed, columns=["user_id", "item_id_list", "item_id"])
        write_atomic(data / "tiny" / f"tiny.{part}.inter", frame, {"item_id_list": "token_seq"})
    files = {"benchmark_filename": ["train", "valid", "test"], "alias_of_item_id": ["item_id_list"], "load_col": None}
    found = _run(data, "SASRec", **{**SMALL, "MAX_ITEM_LIST_LENGTH": 10}, **files)
    assert _histories(found) == {user: items[:-1] for user, items in told.items()}


def test_a_sampled_evaluation_has_its_context_and_value_metrics_have_none(data: Path) -> None:
    sampled = _run(data, "BPR", eval_args={**LS, "mode": "uni5"})
    assert _histories(sampled) == {user: items[:-1] for user, items in _told().items()}
    labelled = {**LS, "split": {"RS": [8, 1, 1]}, "order": "RO", "group_by": None, "mode": "labeled"}
    values = {"metrics": ["MAE"], "valid_metric": "MAE", "LABEL_FIELD": "timestamp", "train_neg_sample_args": None}
    valued = _run(data, "FM", eval_args=labelled, **values)
    assert not list(valued.folder.glob("context.npz"))


def test_a_tuned_run_has_the_histories_of_its_languages_users(data: Path) -> None:
    joint = _run(data, "BPR")
    found = _run(data, "BPR", finetune_from=str(joint.folder), finetune_language="de")
    assert _histories(found) == {user: items[:-1] for user, items in _told().items() if user.startswith("de")}
    joint_counts, counts = (load_context(one.folder / "context.npz").item_counts for one in (joint, found))
    np.testing.assert_array_equal(counts, joint_counts)  # what the model has been trained on
