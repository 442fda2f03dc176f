"""``recbole-xlrec report``: from folders of runs to tables and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from recbole_xlrec.evaluation.report.collect import collect
from recbole_xlrec.evaluation.report.console import print_report
from recbole_xlrec.evaluation.report.latex import latex
from recbole_xlrec.evaluation.report.structure import Report
from recbole_xlrec.evaluation.report.tables import comma_separated, markdown
from recbole_xlrec.pages import write_text


def report(
    paths: Sequence[Path],
    out: Path,
    metrics: Sequence[str] = (),
    baseline: str | None = None,
    data_path: Path | None = None,
    console: Console | None = None,
) -> Report:
    """Writes ``report.html``, ``report.md``, ``report.csv`` and ``report.tex``, and prints the main table.

    Args:
        paths: Run folders, folders of run folders, benchmarks' folders.
        out: Folder to write; files of these names in it are replaced.
        metrics: What is tested and judged, as ``ndcg@10``, the main one first; none for those of the benchmarks, or
            else what the runs stopped by.
        baseline: The row against which all are tested; None for the best of the others.
        data_path: Folder of the datasets, for titles and origins; None for that of the runs.
        console: Where to print.

    Returns:
        What was found.

    Raises:
        DataError: If there is no finished run, runs cannot be compared, or a file of one is broken.
        ConfigError: If a metric or the baseline is in no run.
    """
    from recbole_xlrec.evaluation.report.page import page

    console = console or Console()
    found = collect(paths, metrics, baseline, data_path)
    texts = {"html": page(found), "md": markdown(found), "csv": comma_separated(found), "tex": latex(found)}
    for suffix, text in texts.items():
        write_text(text, out / f"report.{suffix}")
    print_report(found, console)
    console.print(f"\nPage: {out / 'report.html'}; tables: report.md, report.csv, report.tex beside it", soft_wrap=True)
    return found
