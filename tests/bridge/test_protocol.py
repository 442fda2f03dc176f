"""Protocols: what each part of a split holds, checked against the definition written out with lists and sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recbole.data import data_preparation
from recbole.data.dataset import Dataset, SequentialDataset

from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import build_dataset, run
from recbole_xlrec.bridge.protocol_keys import PROTOCOLS
from recbole_xlrec.bridge.protocol_plan import _PLANS, draw
from recbole_xlrec.bridge.registry import MODELS
from recbole_xlrec.bridge.windows import TARGETS
from recbole_xlrec.data.atomic import write_atomic
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.model.xlprofile import recency_weights
from recbole_xlrec.ranking.ranking import Ranking, load_ranking

LONGEST = 4
LS, RS = {"LS": "valid_and_test"}, {"RS": [0.6, 0.2, 0.2]}
Event = tuple[str, str, int]  # user, item, time


@cache
def _events() -> list[Event]:
    """12 German and 12 English users, one French one, and one whose items are all French; 8 to 12 interactions each."""
    rng, events = np.random.default_rng(0), []
    catalogue = {"de": range(20), "en": range(20)}
    for number in range(24):
        language = ("de", "en")[number % 2]
        own = [f"{language}{item}" for item in rng.permutation(catalogue[language])[: rng.integers(5, 8)]]
        other = [f"{('en', 'de')[number % 2]}{item}" for item in rng.permutation(20)[:2]]
        french = [f"fr{item}" for item in rng.permutation(4)[: rng.integers(1, 4)]]
        events += _told(f"{language}-{number}", rng.permutation([*own, *other, *french]).tolist(), rng)
    events += _told("fr-0", ["de1", "fr0", "en2", "fr1", "de3", "en4"], rng)
    events += _told("en-only-french", ["fr2", "fr0", "fr3"], rng)
    return [events[row] for row in rng.permutation(len(events))]


def _told(user: str, items: list[str], rng: Any) -> list[Event]:
    times = np.sort(rng.permutation(1000)[: len(items)])
    return [(user, item, int(time)) for item, time in zip(items, times, strict=True)]


USERS, ITEMS = sorted({row[0] for row in _events()}), sorted({row[1] for row in _events()})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., Path]) -> Path:
    return write_dataset(
        tmp_path_factory.mktemp("data"),
        inter=_events(),
        user=[(user, user[:2]) for user in USERS],
        item=[(item, item[:2]) for item in ITEMS],
        text=[(item, item[:2], f"title {item}") for item in ITEMS],
    )


def _config(data_path: Path, model: str, split: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "data_path": str(data_path),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": split or LS, "order": "TO", "group_by": "user", "mode": "full"},
        "show_progress": False,
        "state": "ERROR",
        "encoder_dimension": 8,
        "epochs": 1,
        "topk": [5],
        "metrics": ["NDCG", "Recall"],
        "valid_metric": "NDCG@5",
    }
    if "SASRec" in model:
        values |= {"MAX_ITEM_LIST_LENGTH": LONGEST}
    if model == "SASRec":
        values |= {"train_neg_sample_args": None, "hidden_size": 8, "inner_size": 8, "n_heads": 1, "n_layers": 1}
    if model == "XLSASRec":
        values |= {"window_stride": 2, "hidden_size": 8, "n_heads": 1, "n_layers": 1, "train_batch_size": 64}
    return {**values, **more}


def _settings(data_path: Path, model: str, split: dict[str, Any] | None = None, **more: Any) -> XLConfig:
    return XLConfig(model, "tiny", None, _config(data_path, model, split, **more))


def _built(data_path: Path, model: str, split: dict[str, Any] | None = None, **more: Any) -> list[Any]:
    return build_dataset(_settings(data_path, model, split, **more)).build()


# --- the definition --------------------------------------------------------------------------------------------------


def _by_user(events: list[Event]) -> dict[str, list[str]]:
    """Items of each user, oldest first."""
    ordered = sorted(events, key=lambda event: event[2])
    return {user: [item for owner, item, _ in ordered if owner == user] for user in USERS}


def _counts(split: dict[str, Any], rows: int) -> tuple[int, int]:
    """How many rows of a user are for validation and for test."""
    if split is LS:
        return (1 if rows > 2 else 0, 1 if rows > 1 else 0)
    cut = [int(share * rows) for share in split["RS"]]  # as RecBole documents: parts but the first are rounded ...
    cut[0] = rows - sum(cut[1:])
    for part in (2, 1):  # ... up where they would be empty
        if cut[0] > 1 and 0 < split["RS"][-(3 - part)] * rows < 1:
            cut[-(3 - part)] += 1
            cut[0] -= 1
    return cut[1], cut[2]


Row = tuple[str, str, tuple[str, ...]]  # user, target, history; the history of a general model is not listed


def _expected(
    sequential: bool, split: dict[str, Any], hidden: set[str], trained: set[str], tested: set[str]
) -> list[set[Row]]:
    """The three parts, from the definition."""
    parts: list[set[Row]] = [set(), set(), set()]
    for user, items in _by_user(_events()).items():
        visible = [item for item in items if item not in hidden]
        rows: list[Row] = [
            (user, item, tuple(visible[max(0, place - LONGEST) : place]) if sequential else ())
            for place, item in enumerate(visible)
            if place or not sequential
        ]
        valid, test = _counts(split, len(rows))
        train = len(rows) - valid - test
        if user in trained:
            parts[0] |= set(rows[:train])
            parts[1] |= set(rows[train : train + valid])
        if hidden and visible and (sequential or train):
            kept = len(visible) - valid - test
            history = tuple(visible[max(0, kept - LONGEST) : kept]) if sequential else ()
            parts[2] |= {(user, item, history) for item in items if item in hidden}
        elif not hidden and user in tested:
            parts[2] |= set(rows[train + valid :])
    return parts


def _found(part: Any, sequential: bool) -> set[Row]:
    rows = part[list(range(len(part)))] if sequential else part.inter_feat
    users, items = (part.id2token(name, rows[name].numpy()) for name in ("user_id", "item_id"))
    if not sequential:
        return {(user, item, ()) for user, item in zip(users, items, strict=True)}
    lists, lengths = rows["item_id_list"].numpy(), rows["item_length"].tolist()
    histories = [tuple(part.id2token("item_id", line[:size])) for line, size in zip(lists, lengths, strict=True)]
    assert not any(line[size:].any() for line, size in zip(lists, lengths, strict=True))
    found = set(zip(users, items, histories, strict=True))
    assert len(found) == len(part)
    return found


def _users(*languages: str) -> set[str]:
    return {user for user in USERS if user[:2] in languages}


ALL = set(USERS)
#: Protocol keys; hidden items; users whose rows are trained on; users whose rows are tested.
CASES: dict[str, tuple[dict[str, Any], set[str], set[str], set[str]]] = {
    "joint": ({}, set(), ALL, ALL),
    "single": ({"protocol": "single", "protocol_language": "de"}, set(), _users("de"), _users("de")),
    "zero_shot": ({"protocol": "zero_shot", "protocol_language": "de"}, set(), ALL - _users("de"), _users("de")),
    "two": ({"protocol": "zero_shot", "protocol_language": ["fr", "de"]}, set(), _users("en"), _users("fr", "de")),
    "one_user": ({"protocol": "zero_shot", "protocol_language": "fr"}, set(), ALL - _users("fr"), _users("fr")),
    "items": (
        {"protocol": "zero_shot", "protocol_language": "fr", "protocol_by": "items"},
        {item for item in ITEMS if item.startswith("fr")},
        ALL,
        set(),
    ),
}


@pytest.mark.parametrize("split", [LS, RS], ids=["LS", "RS"])
@pytest.mark.parametrize("model", ["BPR", "SASRec"])
@pytest.mark.parametrize("case", CASES)
def test_every_part_holds_what_the_definition_says(case: str, model: str, split: dict[str, Any], data: Path) -> None:
    keys, *sets = CASES[case]
    sequential = model == "SASRec"
    for lazy in (False, True) if sequential else (False,):
        parts = _built(data, model, split, **keys, lazy_sequences=lazy)
        expected = _expected(sequential, split, *sets)
        assert all(expected)
        assert [_found(part, sequential) for part in parts] == expected


def test_windows_hold_no_hidden_user_and_no_hidden_item(data: Path) -> None:
    for case in ("zero_shot", "items"):
        keys, *sets = CASES[case]
        train, valid, test = _built(data, "XLSASRec", **keys)
        expected = _expected(True, LS, *sets)
        assert [_found(part, True) for part in (valid, test)] == expected[1:]
        rows = train[list(range(len(train)))]
        targets = {
            (train.id2token("user_id", int(user)), train.id2token("item_id", int(item)))
            for user, line in zip(rows["user_id"], rows[TARGETS], strict=True)
            for item in line[line > 0]
        }
        assert targets == {row[:2] for row in expected[0]}
        inputs = set(train.id2token("item_id", np.unique(rows["item_id_list"]))) - {"[PAD]"}
        assert not inputs & sets[0]


@pytest.mark.parametrize("base", [Dataset, SequentialDataset])
def test_joint_is_recboles_own_split_bit_for_bit(base: type, data: Path) -> None:
    settings = _settings(data, "SASRec" if base is SequentialDataset else "BPR")
    for ours, stock in zip(build_dataset(settings).build(), base(settings).build(), strict=True):
        assert ours.inter_feat.columns == stock.inter_feat.columns
        for name, values in stock.inter_feat.interaction.items():
            assert torch.equal(ours.inter_feat[name], values)
        assert ours.met_elsewhere is None
        assert ours.query_events is ours.inter_feat


def test_hidden_items_of_files_by_split_are_tested_too(tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    events = _events()
    tables = {"user": [(user, user[:2]) for user in USERS], "item": [(item, item[:2]) for item in ITEMS]}
    write_dataset(tmp_path, **tables)
    pieces = {"train": events[:100], "valid": events[100:150], "test": events[150:]}
    for name, rows in pieces.items():
        frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
        write_atomic(tmp_path / "tiny" / f"tiny.{name}.inter", frame)
    keys = {**CASES["items"][0], "benchmark_filename": list(pieces)}
    parts = [{row[:2] for row in _found(part, False)} for part in _built(tmp_path, "BPR", **keys)]
    seen = {name: {row[:2] for row in rows if row[1][:2] != "fr"} for name, rows in pieces.items()}
    known = {user for user, _ in seen["train"]}
    assert parts == [
        seen["train"],
        seen["valid"],
        {row[:2] for row in events if row[1][:2] == "fr" and row[0] in known},
    ]
    with pytest.raises(ConfigError, match="zero_shot cannot take items out of the histories that benchmark files hold"):
        _sequential_from_files(tmp_path, keys)


def _sequential_from_files(data_path: Path, keys: dict[str, Any]) -> None:
    for name in keys["benchmark_filename"]:
        lines = ["user_id:token\titem_id:token\titem_id_list:token_seq", "de-0\tde1\tde2 de3", "fr-0\tfr1\tde2", ""]
        (data_path / "tiny" / f"tiny.{name}.inter").write_text("\n".join(lines))
    load = {"inter": ["user_id", "item_id", "item_id_list"]}
    _built(data_path, "SASRec", **keys, load_col=load, alias_of_item_id=["item_id_list"])


# --- what is drawn ---------------------------------------------------------------------------------------------------


def _tokens(part: Any, field: str) -> set[str]:
    return set(part.id2token(field, np.unique(part.inter_feat[field])))


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_few_shot_training_sees_few_users_and_test_asks_about_all(model: str, data: Path) -> None:
    sequential = model == "SASRec"
    few = {"protocol": "few_shot", "protocol_language": "de"}
    seen, tests = [], []
    for count in (3, 7, 0.5, 50):
        parts = _built(data, model, **few, few_shot_users=count)
        users = _tokens(parts[0], "user_id")
        assert users >= ALL - _users("de") - {"en-only-french"}
        seen.append(users & _users("de"))
        trained = (ALL - _users("de")) | seen[-1]
        expected = _expected(sequential, LS, set(), trained, _users("de"))
        assert [_found(part, sequential) for part in parts] == expected
        tests.append(_found(parts[2], sequential))
    assert [len(users) for users in seen] == [3, 7, 6, 12]
    assert seen[0] < seen[2] < seen[1] < seen[3]
    assert all(test == tests[0] for test in tests)


def test_the_draws_change_with_the_seed_and_not_with_the_model(data: Path) -> None:
    def few(model: str, seed: int) -> set[str]:
        keys = {"protocol": "few_shot", "protocol_language": "de", "few_shot_users": 4, "seed": seed}
        return _tokens(_built(data, model, **keys)[0], "user_id") & _users("de")

    def cold(model: str, seed: int) -> set[str]:
        parts = _built(data, model, protocol="cold_item", cold_share=0.2, seed=seed)
        return set(parts[0].item_ids[parts[0].hidden_items])

    for drawn in (few, cold):
        first = drawn("BPR", 1)
        assert drawn("SASRec", 1) == drawn("BPR", 1) == first
        assert any(drawn("BPR", seed) != first for seed in (2, 3))


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_cold_items_are_a_share_of_the_items_and_are_nowhere_but_in_test(model: str, data: Path) -> None:
    parts = _built(data, model, protocol="cold_item", cold_share=0.2)
    hidden = set(parts[0].item_ids[parts[0].hidden_items])
    assert len(hidden) == round(0.2 * len(ITEMS))
    sequential = model == "SASRec"
    assert [_found(part, sequential) for part in parts] == _expected(sequential, LS, hidden, ALL, set())
    assert not hidden & set(parts[0].item_ids[parts[0].training_items])
    assert parts[0].visible_items.tolist() == list(range(1, parts[0].item_num))
    assert set(parts[2].item_ids[parts[2].training_items]) <= hidden
    assert parts[2].inter_matrix("csr").sum() == len(parts[2])


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, unique=True), st.integers(0, 5))
def test_a_draw_is_nested_and_does_not_depend_on_numbers(tokens: list[str], seed: int) -> None:
    names = np.array(["[PAD]", *tokens])
    ids = np.arange(1, len(names))
    found = [names[draw(ids, names, count, seed)].tolist() for count in range(len(ids) + 2)]
    for count in range(len(ids) + 1):
        assert found[count] == found[-1][:count]
    assert sorted(found[-1]) == sorted(names[1:].tolist())
    turned = names[[0, *ids[::-1]]]
    assert turned[draw(ids, turned, len(ids), seed)].tolist() == found[-1]


# --- what a scorer knows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["joint", "single", "zero_shot", "items"])
def test_histories_of_queries_are_those_of_joint_training_though_training_sees_fewer(case: str, data: Path) -> None:
    keys, hidden, trained, tested = CASES[case]
    train = _built(data, "XLEASE", **keys)[0]
    whole = _expected(False, LS, hidden, ALL, ALL)[0]
    asked = {row[:2] for row in whole if row[0] in trained | tested}

    def pairs(matrix: Any) -> set[tuple[str, str]]:
        rows = matrix.tocoo()
        assert set(rows.data) == {1}
        users, items = train.id2token("user_id", rows.row), train.id2token("item_id", rows.col)
        return set(zip(users, items, strict=True))

    assert pairs(train.inter_matrix()) == {row[:2] for row in whole if row[0] in trained}
    assert pairs(train.query_histories()) == asked
    weights = recency_weights(train, 2.0)
    weights.data[:] = 1
    assert pairs(weights) == asked


@pytest.mark.parametrize("model", ["XLEASE", "XLProfile"])
def test_hidden_users_are_scored_by_their_history_and_fitted_without(model: str, data: Path) -> None:
    from recbole.utils import get_model

    def model_on(**keys: Any) -> tuple[Any, Any]:
        settings = _settings(data, model, **keys)
        train = data_preparation(settings, build_dataset(settings))[0]._dataset
        return get_model(model)(settings, train), train

    zero, train = model_on(**CASES["zero_shot"][0])
    users = torch.tensor([train.token2id("user_id", user) for user in sorted(_users("de"))])
    scores = zero.full_sort_predict({"user_id": users}).view(len(users), -1)
    assert len(torch.unique(scores, dim=0)) == len(users)
    if model == "XLEASE":
        joint, _ = model_on()
        assert (zero.histories != joint.histories).nnz == 0
        assert not torch.allclose(zero.weights, joint.weights)


# --- runs ------------------------------------------------------------------------------------------------------------


def _queries(ranking: Ranking) -> set[tuple[str, str]]:
    rows = zip(ranking.query_ids, ranking.target_ids, strict=True)
    return {(str(user), str(item)) for user, items in rows for item in items if item}


@pytest.mark.parametrize("model", ["BPR", "EASE", "SASRec", *sorted(MODELS)])
def test_every_model_runs_under_every_protocol(
    model: str, data: Path, tmp_path: Path, small_language_model: Callable[..., Path]
) -> None:
    few = {"protocol": "few_shot", "protocol_language": "de", "few_shot_users": 3}
    sequential = MODELS[model].family == "sequential" if model in MODELS else model == "SASRec"
    cold = _built(data, "Pop", protocol="cold_item")[0]
    hidden = set(cold.item_ids[cold.hidden_items])
    cases: list[Any] = [CASES[name] for name in ("single", "zero_shot", "items")]
    cases += [(few, set(), ALL, _users("de")), ({"protocol": "cold_item"}, hidden, ALL, set())]
    for keys, *sets in cases:
        config = _config(data, model, **keys, run_path=str(tmp_path / "runs"), ranking_k=len(ITEMS))
        config["exclude_met"] = sequential
        if model in MODELS and MODELS[model].family == "context_aware":  # it learns from labels
            config["train_neg_sample_args"] = {"distribution": "uniform", "sample_num": 1}
        if model == "XLBERT":
            encoder = str(small_language_model([f"title {item}" for item in ITEMS]))
            config |= {"encoder": encoder, "bert_form": "two_tower", "train_batch_size": 128}
        found = run(model, "tiny", None, config)
        ranking = load_ranking(found.folder / "ranking.npz")
        assert _queries(ranking) == {row[:2] for row in _expected(sequential, LS, *sets)[2]}
        assert set(found.metrics["test_by_language"]) == {user[:2] for user, _ in _queries(ranking)}
        assert found.metrics["protocol"] == keys["protocol"]
        _assert_met_items_are_no_candidates(ranking)


def _assert_met_items_are_no_candidates(ranking: Ranking) -> None:
    """Whatever part they are in, and whether training sees the user or not."""
    met = _by_user(_events())
    for user, items, targets in zip(ranking.query_ids, ranking.item_ids, ranking.target_ids, strict=True):
        listed, wanted = set(items) - {""}, set(targets) - {""}
        assert listed == (set(ITEMS) - set(met[user])) | wanted


@pytest.mark.parametrize("model", ["EASE", "SASRec"])
def test_cold_candidates_are_the_hidden_items_in_test_and_all_in_validation(
    model: str, data: Path, tmp_path: Path
) -> None:
    keys = CASES["items"][0]
    config = _config(data, model, **keys, run_path=str(tmp_path), ranking_k=len(ITEMS))
    cold = run(model, "tiny", None, {**config, "candidates": "cold"})
    ranking = load_ranking(cold.folder / "ranking.npz")
    assert set(ranking.item_ids.ravel()) - {""} == CASES["items"][1]
    assert all(any(items) for items in ranking.item_ids)
    whole = run(model, "tiny", None, config)
    assert whole.metrics["valid"] == cold.metrics["valid"]
    assert whole.metrics["test"]["ndcg@5"] < cold.metrics["test"]["ndcg@5"]


@pytest.mark.parametrize("candidates", ["all", "cold"])
def test_general_and_sequential_models_answer_the_same_queries_about_hidden_items(
    candidates: str, data: Path, tmp_path: Path
) -> None:
    def asked(model: str) -> dict[str, set[str]]:
        keys = {**CASES["items"][0], "candidates": candidates, "run_path": str(tmp_path)}
        ranking = load_ranking(run(model, "tiny", None, _config(data, model, **keys)).folder / "ranking.npz")
        assert len(set(ranking.query_ids)) == len(ranking.query_ids)
        return {user: set(line) - {""} for user, line in zip(ranking.query_ids, ranking.target_ids, strict=True)}

    expected: dict[str, set[str]] = {}
    for user, item, _ in _expected(False, LS, CASES["items"][1], ALL, set())[2]:
        expected.setdefault(user, set()).add(item)
    assert max(map(len, expected.values())) > 1
    assert asked("XLProfile") == expected
    assert asked("SASRec") == asked("XLSASRec")
    assert {user: items for user, items in asked("SASRec").items() if user in expected} == expected


# --- what is refused -------------------------------------------------------------------------------------------------

ZERO = {"protocol": "zero_shot", "protocol_language": "de"}


@pytest.mark.parametrize(
    "keys, message",
    [
        *[({"protocol": name}, f"protocol: {name} needs protocol_language") for name in ("single", "zero_shot")],
        ({"protocol": "few_shot", "protocol_language": []}, "protocol: few_shot needs protocol_language"),
        ({"protocol_language": "de"}, "protocol: joint has no protocol_language; single, zero_shot, few_shot have one"),
        ({"protocol": "cold_item", "protocol_language": "de"}, "protocol: cold_item has no protocol_language"),
        ({"protocol": "single", "protocol_language": ["de", "en"]}, "single has one protocol_language, found de, en"),
        ({**ZERO, "protocol_language": ["de", "DE"]}, "protocol_language: .*twice"),
        ({**ZERO, "protocol": "single", "protocol_by": "items"}, "single goes by users; protocol_by: items is for"),
        ({**ZERO, "protocol": "few_shot", "protocol_by": "items"}, "few_shot goes by users; protocol_by: items is for"),
        ({"candidates": "cold"}, "candidates: cold ranks the items that the protocol keeps out: take .*found .*joint"),
        ({**ZERO, "candidates": "cold"}, "candidates: cold .* found protocol: zero_shot by users"),
        *[({"cold_share": share}, f"cold_share is a share .*found {share}") for share in (0, 1, 1.0, 0.0, -0.1)],
        *[({"few_shot_users": n}, f"few_shot_users is a number .*found {n}") for n in (0, -1, 1.5, True, 0.0)],
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: dict[str, Any], message: str, data: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        _settings(data, "BPR", **keys)


def test_languages_of_the_protocol_are_written_alike(data: Path) -> None:
    settings = _settings(data, "BPR", protocol="zero_shot", protocol_language=["DE", "pt_br"])
    assert settings["protocol_language"] == ["de", "pt-BR"]


def test_one_language_in_a_list_is_that_language(data: Path) -> None:
    listed = _built(data, "BPR", protocol="single", protocol_language=["de"])
    assert [_found(part, False) for part in listed] == _expected(False, LS, *CASES["single"][1:])
    assert len(listed[0].visible_items) < len(ITEMS)


@pytest.mark.parametrize("model", ["BPR", "SASRec", "XLSASRec"])
def test_a_part_that_would_be_empty_is_refused(model: str, data: Path) -> None:
    everything = {**ZERO, "protocol_language": ["de", "en", "fr"]}
    for side in ("users", "items"):
        message = rf"zero_shot: no training interaction is left of {side} in other languages\. .*\(de, en, fr\)"
        with pytest.raises(DataError, match=message):
            _built(data, model, **everything, protocol_by=side)
    with pytest.raises(DataError, match=r"no training interaction is left of the other items\. Change cold_share"):
        _built(data, model, protocol="cold_item", cold_share=0.999)
    with pytest.raises(DataError, match=r"no user or item is in language 'it'; there are de, en, fr"):
        _built(data, model, protocol="zero_shot", protocol_language=["de", "it"])


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_a_test_part_without_rows_is_refused(model: str, tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    events = [*[("u", f"a{item}", item) for item in range(6)], ("v", "b", 1)]
    tables = {"user": [("u", "de"), ("v", "en")], "item": [*[(f"a{item}", "de") for item in range(6)], ("b", "en")]}
    data_path = write_dataset(tmp_path, inter=events, **tables)
    english = {"protocol": "zero_shot", "protocol_language": "en"}
    for side in ("users", "items"):  # v has no history; b is all that v has met
        with pytest.raises(DataError, match=rf"no test interaction .* is left of {side} in 'en'\. .*\(de, en\)"):
            _built(data_path, model, **english, protocol_by=side)


def test_a_missing_language_column_is_named(data: Path, tmp_path: Path, write_dataset: Callable[..., Path]) -> None:
    users = {"user": [(user, user[:2]) for user in USERS]}
    write_dataset(tmp_path / "users", inter=_events(), **users)
    write_dataset(tmp_path / "none", inter=_events())
    for protocol in ("single", "zero_shot", "few_shot"):
        with pytest.raises(ConfigError, match=rf"protocol: {protocol} needs a language column in tiny\.user,"):
            _built(tmp_path / "none", "BPR", protocol=protocol, protocol_language="de")
    with pytest.raises(ConfigError, match=r"protocol_by: items needs a language column in tiny\.item,"):
        _built(tmp_path / "users", "BPR", **CASES["items"][0])
    assert len(_built(tmp_path / "none", "BPR", protocol="cold_item")) == 3  # needs no languages


def test_a_dataset_that_makes_its_own_sequences_keeps_no_items_out(data: Path) -> None:
    labelled = {"split": LS, "order": "TO", "group_by": "user", "mode": "labeled"}
    keys = {"eval_args": labelled, "metrics": ["AUC"], "valid_metric": "AUC", "protocol": "cold_item"}
    with pytest.raises(ConfigError, match="protocol cold_item hides items: DIENDataset makes sequences of its own"):
        _built(data, "DIEN", **keys)


def test_every_protocol_has_a_plan() -> None:
    assert tuple(_PLANS) == PROTOCOLS
