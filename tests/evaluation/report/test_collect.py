"""What is found in folders of runs, how it is put into tables, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recbole.evaluator.register import smaller_metrics

from recbole_xlrec.bridge.language_metrics import register_metrics
from recbole_xlrec.errors import ConfigError, DataError
from recbole_xlrec.evaluation.report.collect import collect
from recbole_xlrec.evaluation.report.examples import choose
from recbole_xlrec.evaluation.report.judging import mean_measures
from recbole_xlrec.evaluation.report.parts import fingerprint, merge_contexts
from recbole_xlrec.evaluation.report.structure import LESS_IS_BETTER
from recbole_xlrec.evaluation.report.titles import read_titles

from .conftest import PERFECT, TARGETS, USERS, context_of, ranking_of

Write = Callable[..., Path]
WRONG = {user: ["d", "d"] for user in TARGETS}
HALF = {**PERFECT, "u3": ["d", "c"], "u4": ["d", "d"]}  # of u3 the second place, of u4 nothing


def test_real_runs_make_a_table_with_all_its_parts(toy_runs: Path) -> None:
    report = collect([toy_runs / "runs"])
    assert sorted(table.title for table in report.tables) == ["toy · joint", "toy · single de", "toy · single en"]
    joint = report.tables[0]
    assert {line.name: line.seeds for line in joint.lines} == {
        "BPR": (2020,),
        "Pop": (2020, 2021),
        "XLEASE": (2020, 2021),
        "XLProfile": (2020, 2021),
    }
    assert joint.metrics[0] == "ndcg@5"
    assert set(joint.languages) == {"de", "en"}
    assert all(line.judged is not None for line in joint.lines)
    assert joint.lines[0].curves[0].epochs == [0, 1, 2]
    assert joint.tests["ndcg@5"]["overall"]["Pop"].mark == "-"
    assert {"en", "de"} == {example.history[0].texts[0][0] for example in joint.examples[:2]}
    assert report.commands[0].command == "recbole-xlrec --model=X '--name=a b'"
    assert any(label == "packages" and "recbole 1.2.1" in text for label, text in report.environments[0].lines)


def test_values_are_the_mean_over_seeds_and_rows_are_judged_on_it(write_run: Write, tmp_path: Path) -> None:
    write_run("A", seed=1)
    write_run("A", HALF, seed=2)
    line = collect([tmp_path / "runs"]).tables[0].lines[0]
    second = 1 / np.log2(3)
    assert line.result.values["ndcg@2", "overall"] == pytest.approx([1, (2 + second) / 4])
    assert line.result.values["ndcg@2", "en"] == pytest.approx([1, second / 2])
    assert line.judged is not None
    assert line.judged["overall"]["ndcg@2"] == pytest.approx((1 + (2 + second) / 4) / 2)
    assert line.judged["transfer"]["ndcg@2"]["en"] == {"de": 0.5, "en": pytest.approx((1 + second) / 2)}
    assert line.judged["fairness"]["ndcg@2"]["worst_language"] == "en"
    assert (line.seconds, line.memory) == (2.0, 100.0)


def test_overall_counts_users_without_a_language_too(write_run: Write, tmp_path: Path) -> None:
    write_run("A", {**PERFECT, "u4": ["d", "d"]}, languages={**USERS, "u4": ""})
    values = collect([tmp_path / "runs"]).tables[0].lines[0].result.values
    assert values["ndcg@2", "overall"] == [0.75]
    assert values["ndcg@2", "en"] == [1.0]


def test_rows_of_bare_runs_are_named_by_model_and_by_what_differs(write_run: Write, tmp_path: Path) -> None:
    write_run("A", reg=1.0, run_path="here")
    write_run("A", seed=2021, reg=1.0, run_path="there")
    write_run("A", reg=2.0)
    write_run("B")
    assert [line.name for line in collect([tmp_path / "runs"]).tables[0].lines] == ["A, reg=1.0", "A, reg=2.0", "B"]


def test_the_same_run_twice_is_refused_unless_it_is_one_folder(write_run: Write, tmp_path: Path) -> None:
    first = write_run("A")
    assert len(collect([first, tmp_path / "runs", first.parent]).tables[0].lines) == 1
    write_run("A")
    with pytest.raises(DataError, match=r"hand, joint, row 'A', seed 2020: there are 2 runs of the same settings"):
        collect([tmp_path / "runs"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}}}, r'eval_args: \{"split": \{"LS".* and \{"split": \{"RS"'),
        ({"candidates": "language"}, "candidates: all and language"),
        ({"repeatable": True}, "set exclude_met: True for all"),
        ({"inter": "2"}, "hand.inter was another file"),
    ],
)
def test_runs_that_were_asked_other_things_are_refused(
    write_run: Write, tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    first, second = write_run("A"), write_run("B", **changed)
    with pytest.raises(DataError, match=said) as error:
        collect([tmp_path / "runs"])
    assert str(first) in str(error.value)
    assert str(second) in str(error.value)


def test_sequential_runs_that_exclude_what_users_have_met_stand_beside_others(write_run: Write, tmp_path: Path) -> None:
    write_run("A", repeatable=False)
    write_run("B", repeatable=True, exclude_met=True)
    assert [line.name for line in collect([tmp_path / "runs"]).tables[0].lines] == ["A", "B"]


def test_runs_of_two_datasets_make_two_tables(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("A", dataset="other")
    assert [table.title for table in collect([tmp_path / "runs"]).tables] == ["hand · joint", "other · joint"]


def test_metrics_that_not_all_rows_have_are_left_out_and_told(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("B", measured={"ndcg@2": 0.5, "auc": 0.7})
    table = collect([tmp_path / "runs"]).tables[0]
    assert table.metrics == ("ndcg@2",)
    assert "Not measured by all rows, hence left out: ndcg@1, recall@1, recall@2, auc." in table.notes


def test_rows_without_a_common_metric_are_refused(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("B", measured={"auc": 0.7})
    with pytest.raises(ConfigError, match=r"have no metric in common: ndcg@1, .* and auc"):
        collect([tmp_path / "runs"])


def test_metrics_and_baseline_must_be_there(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    with pytest.raises(ConfigError, match="no run has measured mrr@2; there are ndcg@1"):
        collect([tmp_path / "runs"], ["mrr@2"])
    with pytest.raises(ConfigError, match="no row is named 'C', the baseline; there are 'A'"):
        collect([tmp_path / "runs"], baseline="C")
    assert collect([tmp_path / "runs"], ["Recall@1", "ndcg@2"]).tables[0].tested == ("recall@1", "ndcg@2")


def test_rows_are_tested_against_the_baseline_or_the_best(write_run: Write, tmp_path: Path) -> None:
    write_run("A", WRONG)
    write_run("B")
    tests = collect([tmp_path / "runs"]).tables[0].tests["ndcg@2"]["overall"]
    assert (tests["A"].against, tests["A"].difference) == ("B", -1)
    tests = collect([tmp_path / "runs"], baseline="A").tables[0].tests["ndcg@2"]["overall"]
    assert list(tests) == ["B"]
    assert tests["B"].p == pytest.approx(2 / 2**4)  # of the 16 swaps two are as far from 0


def test_rows_that_are_asked_other_queries_are_not_tested(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("B", HALF)
    write_run("C", targets={**TARGETS, "u1": "b"})
    table = collect([tmp_path / "runs"]).tables[0]
    assert set(table.tests["ndcg@2"]["overall"]) == {"A", "B"}
    assert any("Not tested" in note and note.split(": ")[1].startswith("C.") for note in table.notes)


def test_rows_are_tested_on_the_seeds_that_all_have(write_run: Write, tmp_path: Path) -> None:
    write_run("A", seed=1)
    write_run("A", WRONG, seed=2)
    write_run("B", HALF, seed=1)
    table = collect([tmp_path / "runs"]).tables[0]
    assert table.tests["ndcg@2"]["overall"]["A"].difference > 0
    assert "Rows with fewer seeds: B (1 of 2)." in table.notes
    assert "Tests are on the seeds that all rows have: 1." in table.notes


def test_an_older_run_without_context_has_all_but_what_needs_it(write_run: Write, tmp_path: Path) -> None:
    (write_run("A") / "context.npz").unlink()
    write_run("B", HALF)
    table = collect([tmp_path / "runs"]).tables[0]
    assert [line.judged is None for line in table.lines] == [True, False]
    assert table.tests["ndcg@2"]["overall"]["B"].against == "A"
    assert any(note.startswith("Without context.npz, which older versions did not write: A.") for note in table.notes)
    assert table.examples[0].history == ()
    assert table.examples[0].lists["A"][0].hit


def test_a_run_without_a_ranking_is_in_the_table_alone(write_run: Write, tmp_path: Path) -> None:
    (write_run("A", measured={"auc": 0.7}, valid_metric="AUC") / "ranking.npz").unlink()
    table = collect([tmp_path / "runs"]).tables[0]
    assert table.lines[0].result.values == {("auc", "overall"): [0.7]}
    assert (table.tested, table.tests, table.examples) == ((), {}, ())
    assert "No saved ranking, hence neither tests nor lists: A." in table.notes


@pytest.mark.parametrize("name", ["ranking.npz", "context.npz", "metrics.json", "environment.json", "history.jsonl"])
def test_a_broken_file_is_named(write_run: Write, tmp_path: Path, name: str) -> None:
    broken = write_run("A") / name
    broken.write_text("{broken", encoding="utf-8")
    with pytest.raises(DataError) as error:
        collect([tmp_path / "runs"])
    assert str(broken) in str(error.value)


def test_a_ranking_cut_short_names_the_folder(write_run: Write, tmp_path: Path) -> None:
    folder = write_run("A", measured={"ndcg@5": 0.5}, valid_metric="NDCG@5")
    with pytest.raises(ConfigError, match=r"lists are 2 long, too short for @5") as error:
        collect([tmp_path / "runs"])
    assert str(folder) in str(error.value)


def test_folders_without_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        collect([tmp_path / "nowhere"])
    with pytest.raises(DataError, match=r"holds no run: there is no metrics\.json and no manifest\.json"):
        collect([tmp_path])


def test_unfinished_runs_are_told_and_alone_they_are_refused(write_run: Write, tmp_path: Path) -> None:
    unfinished = write_run("A")
    (unfinished / "metrics.json").unlink()
    (unfinished / "log.txt").write_text("fine\nMemoryError\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no finished run in .*joint-2020-00000000: unfinished, there is no metrics"):
        collect([unfinished])
    write_run("B")
    (failure,) = collect([tmp_path / "runs"]).failures
    assert (failure.row, failure.dataset, failure.status, failure.place) == ("A", "hand", "unfinished", str(unfinished))
    assert failure.message.endswith("Last: MemoryError")


def test_a_benchmark_names_its_rows_and_tells_what_has_no_result(
    write_run: Write, write_manifest: Callable[..., Path], tmp_path: Path
) -> None:
    run = write_run("A")
    folder = write_manifest(
        {"row": "the row", "folder": f"elsewhere/hand/A/{run.name}"},  # as seen from where it was called
        {"row": "lost", "status": "memory", "message": "took 9 GB"},
        {"row": "later", "status": "pending"},
        {"row": "the row", "trial": 0, "folder": "nowhere"},
    )
    report = collect([folder])
    assert (report.title, report.description) == ("hand", "By hand.")
    assert [line.name for line in report.tables[0].lines] == ["the row"]
    assert [(lost.row, lost.status, lost.message, lost.place) for lost in report.failures] == [
        ("lost", "memory", "took 9 GB", "log.txt")
    ]
    assert "hand: 1 of 3 runs have not ended; the same command goes on." in report.notes
    assert "hand: settings were searched for in 1 trials, compared on validation alone." in report.notes
    assert len(collect([tmp_path / "runs"]).tables[0].lines) == 1  # the run is known under its row's name


def test_runs_of_one_language_each_are_put_together_in_one_row(
    write_run: Write, write_manifest: Callable[..., Path]
) -> None:
    whole = write_run("B", HALF)
    parts = {
        language: write_run("A", {user: HALF[user] for user in users}, protocol="single", protocol_language=language)
        for language, users in {"de": ("u1", "u2"), "en": ("u3", "u4")}.items()
    }
    table = collect(
        [write_manifest({"row": "B", "folder": str(whole)}, *({"folder": str(part)} for part in parts.values()))]
    ).tables[0]
    together, alone = table.lines[1], table.lines[0]
    assert together.result.values["ndcg@2", "overall"] == pytest.approx(alone.result.values["ndcg@2", "overall"])
    assert together.judged is not None
    assert alone.judged is not None
    assert together.judged["transfer"] == alone.judged["transfer"]
    assert table.tests["ndcg@2"]["overall"]["A"].difference == 0


def test_a_seed_with_a_missing_part_is_left_out(write_run: Write, write_manifest: Callable[..., Path]) -> None:
    whole, part = write_run("B"), write_run("A", protocol="single", protocol_language="de")
    folder = write_manifest(
        {"row": "B", "folder": str(whole)}, {"folder": str(part)}, {"status": "failed", "message": "no"}
    )
    report = collect([folder])
    assert [line.name for line in report.tables[0].lines] == ["B"]
    assert "hand: of A, hand, joint, seed 2020, 1 of 2 runs have finished: the seed is left out." in report.notes


def test_a_broken_manifest_and_a_lost_run_are_named(write_run: Write, write_manifest: Callable[..., Path]) -> None:
    folder = write_manifest({"folder": "runs/hand/A/gone"})
    with pytest.raises(DataError, match="says that runs/hand/A/gone has finished, but it holds no metrics"):
        collect([folder])
    (folder / "manifest.json").write_text('{"runs": [{}]}', encoding="utf-8")
    with pytest.raises(DataError, match="is no manifest of a benchmark: its runs lack 'dataset'"):
        collect([folder])
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"manifest\.json is broken"):
        collect([folder])


def test_runs_that_were_moved_find_their_dataset(toy_runs: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(toy_runs, tmp_path / "moved"))
    for config in moved.rglob("config.yaml"):
        text = config.read_text().replace(f"{toy_runs}/data/toy", "data/toy").replace(f"{toy_runs}/runs", "runs")
        config.write_text(text)
    report = collect([moved / "runs" / "toy" / "XLEASE"])
    assert report.tables[0].examples[0].history[0].texts


def test_users_are_drawn_by_their_id_in_turns_with_a_hit_and_from_each_language() -> None:
    ranking = ranking_of({**HALF, "u1": ["d", "d"]}, TARGETS)
    chosen = choose(ranking, 3)
    assert [str(user) for user in ranking.query_ids[chosen][:2]] == ["u2", "u3"]  # the ones with a hit
    assert chosen == choose(ranking, 3)
    assert sorted(choose(ranking, 99)) == [0, 1, 2, 3]


def test_titles_are_in_the_items_language_first_and_editions_lend_theirs(
    tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    text = [("1", "de", "Hund"), ("1", "en", "Dog"), ("de:2", "de", "Katze"), ("en:2", "en", "Cat"), ("3", "de", " ")]
    item = [("1", "de", "1"), ("de:2", "de", "2"), ("en:2", "en", "2"), ("3", "de", "3")]
    write_dataset(tmp_path, text=text, item=item, columns={"item": ("item_id", "language", "work_id")})
    found = read_titles(tmp_path / "tiny", "tiny", {"1", "en:2", "3", "4"})
    assert {item: title.texts for item, title in found.items()} == {
        "1": (("de", "Hund"), ("en", "Dog")),
        "en:2": (("en", "Cat"), ("de", "Katze")),
    }


def test_contexts_of_parts_become_one_catalogue() -> None:
    first = context_of(ranking_of({"u1": ["a", "b"]}, TARGETS))
    second = first._replace(item_ids=np.array(["d", "c", "b", "x"]), item_languages=np.array(["en", "en", "de", "fr"]))
    merged = merge_contexts([first, second])
    assert merged.item_ids.tolist() == ["a", "b", "c", "d", "x"]
    assert merged.item_languages.tolist() == ["de", "de", "en", "en", "fr"]
    assert merged.item_counts.tolist() == [7, 2 + 1, 1 + 2, 0 + 7, 0]
    assert merged.history_starts.tolist() == [0, 2, 4]
    assert merged.item_ids[merged.history_items].tolist() == ["d", "c", "x", "b"]


def test_what_a_seed_lacks_is_the_mean_of_the_others() -> None:
    found = [
        {"by_user_language": {"de": {"ndcg@2": 0.2, "queries": 1}}, "hits": {"same": None}},
        {"by_user_language": {"de": {"ndcg@2": 0.4, "queries": 3}, "en": {"ndcg@2": 0.9, "queries": 1}}, "hits": {}},
    ]
    means = mean_measures(found)
    assert means["by_user_language"] == {
        "de": {"ndcg@2": pytest.approx(0.3), "queries": 2},
        "en": {"ndcg@2": 0.9, "queries": 1},
    }
    assert means["hits"] == {"same": None}
    assert means["fairness"]["ndcg@2"]["best_language"] == "en"


def test_the_fingerprint_is_of_queries_and_targets_in_any_order() -> None:
    there, back = ranking_of(PERFECT, TARGETS), ranking_of(dict(reversed(WRONG.items())), TARGETS)
    assert fingerprint(there) == fingerprint(back)
    assert fingerprint(there) != fingerprint(ranking_of(PERFECT, {**TARGETS, "u2": "a"}))


def test_less_is_better_where_recbole_says_so() -> None:
    register_metrics()
    assert set(smaller_metrics) == LESS_IS_BETTER
