"""The table of models: means over seeds, runs of one language each put together, files that read well."""

from __future__ import annotations

import pytest

from recbole_xlrec.evaluation.comparison import collect, comma_separated, markdown


def run(**languages: tuple[float, int]) -> dict[str, object]:
    found = {language: {"ndcg@10": value, "queries": queries} for language, (value, queries) in languages.items()}
    return {"test_by_language": found, "seconds": {"fit": 1.0, "encode": 0.5}}


JOINT = collect("joint", [[run(de=(0.2, 1), fr=(0.4, 3))], [run(de=(0.4, 1), fr=(0.6, 3))]], ["ndcg@10"])
APART = collect("apart", [[run(de=(0.3, 1)), run(fr=(0.1, 3))], [run(de=(0.5, 1)), run(fr=(0.3, 3))]], ["ndcg@10"])


def test_overall_weighs_languages_by_their_queries() -> None:
    assert JOINT.values["ndcg@10", "overall"] == pytest.approx([0.35, 0.55])
    assert JOINT.mean("ndcg@10", "overall") == pytest.approx(0.45)


def test_runs_of_one_language_each_make_one_row() -> None:
    assert APART.values["ndcg@10", "overall"] == pytest.approx([0.15, 0.35])
    assert APART.mean("ndcg@10", "fr") == pytest.approx(0.2)
    assert APART.seconds == pytest.approx(3.0)


def test_the_best_of_each_column_is_bold() -> None:
    text = markdown([JOINT, APART], ["ndcg@10"], ["overall", "de", "fr"])
    assert text.splitlines() == [
        "| ndcg@10 | overall | de | fr | fit, s |",
        "|---|---|---|---|---|",
        "| joint | **0.4500** | 0.3000 | **0.5000** | 1.5 |",
        "| apart | 0.2500 | **0.4000** | 0.2000 | 3.0 |",
    ]


def test_the_csv_has_mean_deviation_and_each_seed() -> None:
    lines = comma_separated([JOINT], ["ndcg@10"], ["de"]).splitlines()
    assert lines == [
        "model,metric,users,mean,std,seeds,by seed",
        "joint,ndcg@10,de,0.300000,0.141421,2,0.200000 0.400000",
    ]
