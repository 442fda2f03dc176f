"""The files that `recbole-xlrec report` writes, and what it prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from recbole_xlrec.cli import app
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.evaluation.benchmark.reading import FOLDER
from recbole_xlrec.evaluation.comparison import Row
from recbole_xlrec.evaluation.report import report
from recbole_xlrec.evaluation.report.citations import MODELS, citation, software
from recbole_xlrec.evaluation.report.latex import escape, latex
from recbole_xlrec.evaluation.report.layout import cells, columns
from recbole_xlrec.evaluation.report.structure import Line, Report, Table
from recbole_xlrec.evaluation.report.tables import comma_separated, markdown
from recbole_xlrec.evaluation.row_tests import RowTest

from .conftest import PERFECT, TARGETS

ROOT = Path(__file__).parents[3]
Write = Callable[..., Path]


def _table(metric: str = "ndcg@2") -> Table:
    """A is best by far; B and C look alike in German, and C has nothing in English."""
    values = {
        "A": {"overall": [0.5, 0.7], "de": [0.6, 0.6], "en": [0.5, 0.7]},
        "B|b": {"overall": [0.3, 0.3], "de": [0.30001, 0.30001], "en": [0.2, 0.2]},
        "C_c": {"overall": [0.1, 0.1], "de": [0.30002, 0.30002]},
    }
    lines = []
    for name, found in values.items():
        row = Row(name, {(metric, column): seeds for column, seeds in found.items()}, 2.0)
        lines.append(Line(row, "M", (1, 2), 2.0, 100.0, None, ()))
    tests = {name: RowTest("A", -0.3, -0.4, -0.2, 0.01, 0.02, -1.5, "-") for name in ("B|b", "C_c")}
    tests["A"] = RowTest("B|b", 0.3, 0.2, 0.4, 0.0001, 0.0002, 1.5, "+")
    by_column = {metric: {"overall": tests}}
    counts = {"de": 10, "en": 5}
    return Table("t0", "d", "joint", (metric,), (metric,), ("de", "en"), counts, tuple(lines), by_column, None, (), ())


def _report(table: Table) -> Report:
    return Report("R", "", (table,), (), (), (), (), (), ())


def test_the_best_is_bold_the_second_underlined_and_what_looks_alike_is_equal() -> None:
    lines = markdown(_report(_table())).splitlines()
    assert [line for line in lines if line.startswith(("| ndcg", "| A |", "| B", "| C"))][:4] == [
        "| ndcg@2 | overall | macro | worst | de | en | fit, s | memory, MB |",
        "| A | **0.6000**† | **0.6000** | **0.6000** | **0.6000** | **0.6000** | 2.0 | 100 |",
        "| B\\|b | <u>0.3000</u>‡ | <u>0.2500</u> | <u>0.2000</u> | <u>0.3000</u> | <u>0.2000</u> | 2.0 | 100 |",
        "| C\\_c | 0.1000‡ | – | – | <u>0.3000</u> | – | 2.0 | 100 |",
    ]
    assert any("†: the best row, significantly better than the second" in line for line in lines)
    assert "| A | B\\|b | +0.3000 | +0.2000 to +0.4000 | \\< 0.001 | \\< 0.001 | +1.50 | better |" in lines
    assert "| C\\_c | A | −0.3000 | −0.4000 to −0.2000 | 0.010 | 0.020 | −1.50 | worse |" in lines


def test_where_less_is_better_the_least_is_bold() -> None:
    table = _table("languagegap@2")
    found = cells(table, "languagegap@2", columns(table))
    assert [cell.best for cell in found[2]] == [True, False, False, True, False]
    assert [cell.text for cell in found[1]] == ["0.3000", "0.2500", "0.3000", "0.3000", "0.2000"]  # worst: the most
    assert [cell.best for cell in found[1]] == [False, True, True, True, True]


def test_one_row_is_neither_best_nor_second() -> None:
    table = _table()
    (found,) = cells(table._replace(lines=table.lines[:1]), "ndcg@2", ["overall"])
    assert (found[0].best, found[0].second) == (False, False)


def test_the_latex_is_a_booktabs_table_whose_texts_are_escaped() -> None:
    text = latex(_report(_table()._replace(dataset="a_b & 50%")))
    for line in (
        r"    C\_c & 0.1000$^{\ddagger}$ & -- & -- & \underline{0.3000} & -- \\",
        r"    A & \textbf{0.6000}$^{\dagger}$ & " + r" & ".join([r"\textbf{0.6000}"] * 4) + r" \\",
        r"    \toprule",
        r"  \begin{tabular}{lrrrrr}",
        r"  \label{tab:a-b-50-joint-ndcg-2}",
    ):
        assert line in text.splitlines()
    assert r"ndcg@2 on a\_b \& 50\%, joint: mean of 2 seeds" in text
    assert escape("\\ {x} ~^") == r"\textbackslash{} \{x\} \textasciitilde{}\textasciicircum{}"


def test_the_latex_has_the_languages_with_most_queries_and_says_so() -> None:
    names = tuple(f"l{number:02}" for number in range(12))
    text = latex(_report(_table()._replace(languages=names)))
    assert "The 8 of 12 languages with most queries." in text
    assert "l07" in text
    assert "l08" not in text


def test_the_csv_gives_every_number_back() -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(_report(_table())))))
    assert [(row["row"], row["language"]) for row in rows] == [
        *(("A", column) for column in ("overall", "de", "en")),
        *(("B|b", column) for column in ("overall", "de", "en")),
        *(("C_c", column) for column in ("overall", "de")),
    ]
    assert (rows[0]["mean"], rows[0]["std"], rows[0]["by seed"]) == ("0.600000", "0.141421", "0.500000 0.700000")
    assert (rows[0]["against"], rows[0]["adjusted p"], rows[1]["against"]) == ("B|b", "0.0002", "")


def test_the_verb_writes_four_files_and_prints_the_main_table(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("B[bold]", {**PERFECT, "u1": ["d", "d"]})
    arguments = ["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--baseline", "A"]
    found = CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments, catch_exceptions=False)
    assert found.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"report.{x}" for x in ("csv", "html", "md", "tex")
    ]
    lines = [line.rstrip() for line in found.output.splitlines()]
    assert "hand · joint: ndcg@2 on the test split, one seed" in lines
    assert "A         1.0000  1.0000  1.0000  1.0000  1.0000     2.0" in lines
    assert "B[bold]   0.7500  0.7500  0.5000  0.5000  1.0000     2.0" in lines
    assert any("significantly better than A" in line for line in lines)


def test_the_table_fits_a_narrow_terminal(write_run: Write, tmp_path: Path) -> None:
    write_run("A" * 40)
    console = Console(width=60, file=io.StringIO(), color_system=None)
    report([tmp_path / "runs"], tmp_path / "out", console=console)
    assert isinstance(console.file, io.StringIO)
    table = console.file.getvalue().split("Page:")[0].splitlines()
    assert max(map(len, table[1:6])) <= 60
    assert any(line.split()[-5:] == ["overall", "macro", "worst", "fit,", "s"] for line in table)


def test_nothing_is_written_when_runs_cannot_be_compared(write_run: Write, tmp_path: Path) -> None:
    write_run("A")
    write_run("B", candidates="language")
    with pytest.raises(ValueError, match="cannot stand in one table"):
        report([tmp_path / "runs"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_model_of_the_shipped_suites_has_its_citation_and_ours_is_that_of_the_file() -> None:
    models = {row["model"] for path in FOLDER.glob("*.yaml") for row in read_yaml(path)["rows"]}
    assert models <= set(MODELS)
    assert "see RecBole" in citation("NoSuchModel")
    ours = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    authors = ", ".join(author["name"] for author in ours["authors"])
    assert dict(software())["recbole_xlrec"] == f"{authors}. {ours['title']}. Version {ours['version']}."


def test_failed_runs_and_sources_stand_in_the_markdown(
    write_run: Write, write_manifest: Callable[..., Path], tmp_path: Path, write_dataset: Callable[..., Path]
) -> None:
    data = write_dataset(tmp_path / "data", "hand", inter=[("u1", target, 0) for target in TARGETS.values()])
    (data / "hand" / "hand.meta.json").write_text('{"source": "S", "licence": "L", "citation": "C"}', encoding="utf-8")
    run = write_run("EASE")
    folder = write_manifest(
        {"folder": str(run)}, {"row": "lost", "status": "failed", "message": "loss is *nan*", "log": "logs/a.log"}
    )
    report([folder], tmp_path / "out", data_path=data, console=Console(file=io.StringIO()))
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "| hand | joint | lost | 2020 | failed | loss is \\*nan\\* | logs/a.log |" in text
    assert "- hand: S; L; C" in text
    assert "- EASE: H. Steck." in text
