"""XLFusion: its members, what it learns from and what not, and the lists it gives."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, init_seed

from recbole_xlrec import cli
from recbole_xlrec.bridge.config import XLConfig
from recbole_xlrec.bridge.experiment import Run, build_dataset, run
from recbole_xlrec.bridge.fusion_members import wanted_members
from recbole_xlrec.bridge.model_file import load_model
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.by_language import by_language, overall
from recbole_xlrec.evaluation.context import load_context
from recbole_xlrec.model.xlfusion import strictly_falling
from recbole_xlrec.ranking.ranking import Ranking, load_ranking, save_ranking
from recbole_xlrec.ranking.stack import load_stack

FILMS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id"], "user": ["user_id", "language"]},
    "eval_args": {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO", "group_by": "user", "mode": "full"},
    "metrics": ["NDCG", "Recall"],
    "topk": [5, 10],
    "valid_metric": "NDCG@10",
    "state": "ERROR",
    "show_progress": False,
    "metric_decimal_place": 6,
}
MEMBERS: list[Any] = [{"model": "EASE", "reg_weight": 50.0}, "Pop", {"model": "ItemKNN", "k": 20}]
Films = Callable[..., Run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One `run_path` of all tests: members are trained once."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def films(ml_cut: Path, runs: Path) -> Films:
    """Runs on 200 films and 79 users in two languages."""

    def run_on_films(model: str = "XLFusion", **config: Any) -> Run:
        own = {"members": MEMBERS, "fusion_depth": 30} if model == "XLFusion" else {}
        chosen = {"data_path": str(ml_cut), "run_path": str(runs), **FILMS, **own, **config}
        return run(model, "ml-cut", None, chosen)

    return run_on_films


def _rankings(found: Run, name: str = "ranking.npz") -> list[Ranking]:
    return [load_ranking(Path(member["folders"][0], name)) for member in found.metrics["fusion"]["members"]]


def _copy(found: Run, member: int, folder: Path) -> Path:
    return Path(shutil.copytree(found.metrics["fusion"]["members"][member]["folders"][0], folder))


def test_members_are_trained_once_and_found_by_the_next_fusion(films: Films, runs: Path) -> None:
    first = films()
    folders = [folder for member in first.metrics["fusion"]["members"] for folder in member["folders"]]
    before = {folder: Path(folder, "metrics.json").stat().st_mtime_ns for folder in folders}
    other = films(fusion="comb_mnz")
    assert other.folder != first.folder
    assert [folder for member in other.metrics["fusion"]["members"] for folder in member["folders"]] == folders
    assert {folder: Path(folder, "metrics.json").stat().st_mtime_ns for folder in folders} == before
    assert films("EASE", reg_weight=50.0, ranking_k=30, save_valid_ranking=True).folder == Path(folders[0])
    assert not films().fresh


def test_members_follow_the_settings_of_the_fusion_and_their_own(films: Films) -> None:
    members = films().metrics["fusion"]["members"]
    assert [member["name"] for member in members] == ["EASE", "Pop", "ItemKNN"]
    config = read_yaml(Path(members[2]["folders"][0], "config.yaml"))
    assert (config["k"], config["topk"], config["ranking_k"]) == (20, [5, 10], 30)
    assert config["eval_args"]["split"] == {"RS": [0.6, 0.2, 0.2]}
    saved = load_ranking(Path(members[2]["folders"][0], "ranking.npz"))
    assert members[2]["test"]["ndcg@10"] == pytest.approx(overall(saved, ["ndcg"], [10])["ndcg@10"], abs=1e-6)


@pytest.mark.parametrize("part", ["ranking.npz", "ranking_valid.npz"])
def test_reciprocal_rank_fusion_is_that_of_the_members_saved_lists(part: str, films: Films) -> None:
    found = films(save_valid_ranking=True)
    fused, members = load_ranking(found.folder / part), _rankings(found, part)
    for row, user in enumerate(fused.query_ids):
        scores: dict[str, float] = defaultdict(float)
        for member in members:
            for rank, item in enumerate(member.item_ids[member.query_ids.tolist().index(user)], 1):
                scores[item] += 1 / (60 + rank)
        best = sorted((score for item, score in scores.items() if item), reverse=True)[:100]
        listed = [item for item in fused.item_ids[row] if item]
        np.testing.assert_allclose([scores[item] for item in listed], best, rtol=1e-6)
        np.testing.assert_allclose(fused.scores[row, : len(listed)], best, rtol=1e-5)


@pytest.mark.parametrize("config", [{}, {"fusion_depth": 3}, {"fusion": "round_robin"}], ids=str)
def test_recboles_metrics_are_those_of_the_saved_ranking(config: dict[str, Any], films: Films) -> None:
    found = films(**config)
    ranking = load_ranking(found.folder / "ranking.npz")
    again = overall(ranking, ["ndcg", "recall"], [5, 10])
    assert found.metrics["test"] == pytest.approx(again, abs=1e-6)
    assert found.metrics["test_by_language"] == by_language(ranking, ["ndcg", "recall"], [5, 10])
    assert set(found.metrics["test_by_language"]) == {"de", "en"}


def test_weights_are_learned_and_never_worse_on_validation_than_any_member(films: Films) -> None:
    found = films(fusion="weighted_sum", save_valid_ranking=True)
    weights = found.metrics["fusion"]["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert list(weights) == ["EASE", "Pop", "ItemKNN"]
    members = [overall(each, ["ndcg"], [10])["ndcg@10"] for each in _rankings(found, "ranking_valid.npz")]
    assert found.metrics["valid"]["ndcg@10"] >= max(members) - 1e-6
    alone = films(fusion="weighted_sum", fusion_weights=[1.0, 0.0, 0.0])
    fused, own = load_ranking(alone.folder / "ranking.npz"), _rankings(alone)[0]
    order = [own.query_ids.tolist().index(user) for user in fused.query_ids]
    told = fused.scores[:, :10] > 1e-6  # not the last of a list, which has the score of those it lacks: 0
    np.testing.assert_array_equal(fused.item_ids[:, :10][told], own.item_ids[order, :10][told])


@pytest.mark.parametrize("method", ["weighted_sum", pytest.param("stack", marks=pytest.mark.slow)])
def test_what_is_learned_changes_with_validation_lists_and_not_with_test_lists(
    method: str, films: Films, tmp_path: Path
) -> None:
    def fused(folder: Path) -> Run:
        return films(fusion=method, members=[{"run": str(folder)}, *MEMBERS[1:]])

    def learned(found: Run) -> Any:
        return {name: found.metrics["fusion"].get(name) for name in ("weights", "share_of_trees", "importance")}

    first = films(fusion=method)
    same = fused(_copy(first, 0, tmp_path / "same"))
    other_test, other_valid = (_copy(first, 0, tmp_path / name) for name in ("test", "valid"))
    for folder, name in ((other_test, "ranking.npz"), (other_valid, "ranking_valid.npz")):
        found = load_ranking(folder / name)  # lists that are as good as they can be
        best = np.column_stack([found.target_ids[:, 0], found.item_ids])
        best[:, 1:][best[:, 1:] == best[:, :1]] = ""
        best = np.array([[*filter(None, row), *[""] * (row == "").sum()] for row in best])
        scores = np.where(best != "", -np.arange(best.shape[1], dtype=np.float32), -np.inf)
        better = Ranking.of(found.query_ids, best, scores, found.target_ids, found.languages)
        save_ranking(better, folder / name)
    assert learned(same) == learned(first)
    assert same.metrics["test"] == first.metrics["test"]
    changed = fused(other_test)
    assert learned(changed) == learned(first)
    assert changed.metrics["test"] != first.metrics["test"]
    assert learned(fused(other_valid)) != learned(first)


def _reversed(found: Run, member: int, folder: Path) -> Path:
    """A copy of a member's run whose lists are upside down: no weighted sum can make use of it, and trees can."""
    _copy(found, member, folder)
    for name in ("ranking.npz", "ranking_valid.npz"):
        ranking = load_ranking(folder / name)
        save_ranking(ranking._replace(items=ranking.items[:, ::-1]), folder / name)
    return folder


def test_a_stack_is_saved_as_text_and_the_model_comes_back_without_it(
    films: Films, ml_cut: Path, tmp_path: Path
) -> None:
    upside_down = _reversed(films(), 0, tmp_path / "reversed")
    found = films(fusion="stack", members=[{"run": str(upside_down), "name": "EASE"}, "Pop"])
    stack = load_stack(found.folder / "stack.txt")
    learned = found.metrics["fusion"]
    assert learned["share_of_trees"] > 0
    assert list(learned["importance"]) == list(stack.features)
    # No item has a language here, so that there is no match to see
    assert {"EASE_rank", "Pop_score", "popularity", "recency"} < set(stack.features)
    members = [overall(each, ["ndcg"], [10])["ndcg@10"] for each in _rankings(found)]
    assert found.metrics["test"]["ndcg@10"] > max(members)
    settings = XLConfig("XLFusion", "ml-cut", None, {"data_path": str(ml_cut), **FILMS})
    init_seed(settings["seed"], settings["reproducibility"])
    dataset = build_dataset(settings)
    train = data_preparation(settings, dataset)[0]._dataset
    model = get_model("XLFusion")(settings, train)
    users = torch.arange(dataset.user_num)
    with pytest.raises(ConfigError, match="has not been fitted"):
        model.full_sort_predict(Interaction({"user_id": users}))
    load_model(model, found.folder / "model.safetensors")
    ranking = load_ranking(found.folder / "ranking.npz")
    asked = torch.tensor([dataset.token2id("user_id", user) for user in ranking.query_ids])
    best = model.full_sort_predict(Interaction({"user_id": asked})).topk(10).indices.numpy()
    np.testing.assert_array_equal(dataset.item_ids[best], ranking.item_ids[:, :10])
    assert not set(found.folder.rglob("*.pkl"))


@pytest.mark.slow
def test_two_runs_agree(films: Films) -> None:
    first = films(fusion="stack")
    before = load_ranking(first.folder / "ranking.npz")
    again = films(fusion="stack", rerun=True)
    assert again.fresh
    for part in ("valid", "test", "test_by_language", "fusion"):
        assert again.metrics[part] == first.metrics[part]
    for one, other in zip(load_ranking(again.folder / "ranking.npz"), before, strict=True):
        np.testing.assert_array_equal(one, other)


# --- other kinds of members ------------------------------------------------------------------------------------------


@pytest.fixture
def toy_run(toy: Path, toy_config: Path, runs: Path) -> Callable[..., Run]:
    def run_on_toy(model: str = "XLFusion", **config: Any) -> Run:
        chosen = {"data_path": str(toy), "run_path": str(runs), "show_progress": False, "state": "ERROR", **config}
        return run(model, "toy", [toy_config], chosen)

    return run_on_toy


def test_a_run_of_each_language_is_one_member(toy_run: Callable[..., Run]) -> None:
    expert = {"model": "XLEASE", "one_language_at_a_time": True, "name": "experts"}
    found = toy_run(members=[expert, {"model": "XLProfile"}])
    experts = found.metrics["fusion"]["members"][0]
    assert (experts["name"], len(experts["folders"]), experts["test"]["ndcg@1"]) == ("experts", 2, 1.0)
    assert {read_yaml(Path(each, "config.yaml"))["protocol_language"] for each in experts["folders"]} == {"de", "en"}
    assert found.metrics["test"]["ndcg@1"] == 1.0
    assert found.metrics["test_by_language"]["de"]["queries"] == 12
    with pytest.raises(ConfigError, match=r"one_language_at_a_time needs .* protocol: zero_shot"):
        toy_run(members=[expert], protocol="zero_shot", protocol_language="de")


def test_general_and_sequential_members_are_fused_and_what_was_met_is_left_out(toy_run: Callable[..., Run]) -> None:
    sequential = {"model": "GRU4Rec", "epochs": 1, "train_neg_sample_args": None}
    found = toy_run(members=["XLEASE", sequential], candidates="all")
    listed = _rankings(found)[1]
    context, ranking = load_context(found.folder / "context.npz"), load_ranking(found.folder / "ranking.npz")
    met_by_a_member = 0
    for row, user in enumerate(ranking.query_ids):
        met = context.item_ids[context.history_items[slice(*context.history_starts[row : row + 2])]]
        assert len(met)
        assert not set(met) & set(ranking.item_ids[row])
        met_by_a_member += len(set(met) & set(listed.item_ids[listed.query_ids.tolist().index(user)]))
    assert met_by_a_member


def test_calibration_brings_the_lists_languages_nearer_to_the_users(toy_run: Callable[..., Run]) -> None:
    def foreign(found: Run) -> float:
        ranking = load_ranking(found.folder / "ranking.npz")
        own = np.char.partition(ranking.query_ids, "-")[:, :1]
        return float(np.mean(np.char.partition(ranking.item_ids[:, :5], ":")[..., 0] != own))

    members = ["Pop", "XLProfile"]
    plain, mixed = (toy_run(members=members, candidates="all", fusion_calibration=x) for x in (0.0, 0.9))
    assert foreign(mixed) < foreign(plain)
    assert mixed.metrics["test"] == pytest.approx(
        overall(load_ranking(mixed.folder / "ranking.npz"), ["ndcg", "recall", "mrr", "hit"], [1, 5]), abs=1e-4
    )


def test_the_command_line_takes_members(toy: Path, toy_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--data_path={toy}", f"--config_files={toy_config}", "--show_progress=False", "--state=ERROR"]
    cli.main(["--model=XLFusion", "--dataset=toy", *flags, "--members=[{model: XLEASE}, {model: ItemKNN, k: 200}]"])
    assert "run written to runs/toy/XLFusion/joint-2020-" in capsys.readouterr().out
    assert {path.name for path in Path("runs/toy").iterdir()} == {"XLFusion", "XLEASE", "ItemKNN"}


# --- what is refused -------------------------------------------------------------------------------------------------


def test_members_of_another_split_dataset_or_data_are_refused(
    films: Films, toy_run: Callable[..., Run], tmp_path: Path
) -> None:
    ready = {"ranking_k": 30, "save_valid_ranking": True}
    other_seed = films("Pop", seed=7, **ready)
    other_split = films("Pop", eval_args={"split": {"RS": [8, 1, 1]}}, **ready)
    with pytest.raises(ConfigError, match=r"another split: seed: 7 there, 2020 here.*one protocol, seed and split"):
        films(members=["EASE", {"run": str(other_seed.folder)}])
    with pytest.raises(ConfigError, match="another split: eval_args"):
        films(members=["EASE", {"run": str(other_split.folder)}])
    with pytest.raises(ConfigError, match="a run on toy, not on ml-cut"):
        films(members=["EASE", {"run": str(toy_run("Pop").folder)}])
    changed = _copy(films(), 1, tmp_path / "changed")
    text = (changed / "environment.json").read_text().replace('"ml-cut.inter": "', '"ml-cut.inter": "0')
    (changed / "environment.json").write_text(text)
    with pytest.raises(DataError, match=r"made with other interactions: 'ml-cut.inter'"):
        films(members=["EASE", {"run": str(changed)}])


def test_a_members_ranking_of_other_queries_or_none_is_refused(films: Films, tmp_path: Path) -> None:
    first = films()
    folder = _copy(first, 1, tmp_path / "fewer")
    ranking = load_ranking(folder / "ranking.npz")
    save_ranking(Ranking(*(part[1:] for part in ranking[:-1]), ranking.ids), folder / "ranking.npz")
    with pytest.raises(DataError, match=r"member Pop .*this run's test part .*do not rank the same queries"):
        films(members=["EASE", {"run": str(folder)}])
    bare = films("Pop")
    with pytest.raises(DataError, match=r"has no ranking_valid\.npz.*save_valid_ranking: True"):
        films(members=["EASE", {"run": str(bare.folder)}])
    with pytest.raises(DataError, match="holds no finished run"):
        films(members=["EASE", {"run": str(tmp_path / "nothing")}])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fusion": "rff"}, "fusion: 'rff' is none of .*Did you mean 'rrf'"),
        ({"fusion_depth": 0}, "fusion_depth is a number of items"),
        ({"fusion_normalisation": "minmax"}, "minmax"),
        ({"fusion_calibration": 2}, "lies between 0 and 1; found 2"),
        ({"fusion_weights": [1.0]}, "fusion_weights are for fusion: weighted_sum"),
        ({"fusion_features": ["colour"]}, "fusion_features are of language, popularity, recency, text; found 'colour'"),
        ({"members": []}, "members is a list"),
        ({"members": [{"k": 5}]}, "a member has a `model` or a `run`"),
        ({"members": ["EAES"]}, "unknown model 'EAES'"),
        ({"members": [{"model": "EASE", "reg_wieght": 1.0}]}, "members: EASE: unknown key 'reg_wieght'"),
        ({"members": [{"model": "EASE", "seed": 1}]}, "EASE cannot have its own seed"),
        ({"fusion": "stack", "eval_args": {"split": {"RS": [0.8, 0, 0.2]}}}, "stack learns from validation"),
        ({"eval_args": {"mode": "uni100"}}, "set eval_args.mode to full"),
    ],
)
def test_keys_that_do_not_fit_are_refused(config: dict[str, Any], message: str, films: Films) -> None:
    with pytest.raises(ConfigError, match=message):
        films(**config)


def test_a_member_twice_gets_a_number() -> None:
    assert [wanted.name for wanted in wanted_members(["Pop", {"model": "EASE", "name": "x"}, "Pop", "Pop"])] == [
        *("Pop", "x", "Pop 2", "Pop 3")
    ]


def test_scores_fall_strictly_and_keep_their_order() -> None:
    found = strictly_falling(np.array([[0.5, 0.5, 0.9, 0.0, 0.0, -np.inf, -np.inf]]))
    assert (np.diff(found[0, :5]) < 0).all()
    np.testing.assert_allclose(found[0, :5], [0.5, 0.5, 0.5, 0, 0], atol=1e-6)
    assert np.isneginf(found[0, 5:]).all()
