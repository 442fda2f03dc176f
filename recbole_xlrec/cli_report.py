"""The verb `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of many runs, or of benchmarks.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("report"),
    metrics: Annotated[
        str | None,
        typer.Option(help="To be tested, as ndcg@10,recall@10, the main one first; by default the benchmark's."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Row that all are tested against; by default the best of the others.")
    ] = None,
    data_path: Annotated[
        Path | None, typer.Option(help="Folder of the datasets, for titles; by default as in the runs.")
    ] = None,
) -> None:
    """Make tables for a paper and a page for the browser of finished runs, with tests of significance."""
    from rich.console import Console

    from recbole_xlrec.evaluation.report import report as write_report

    names = [name.strip() for name in metrics.split(",")] if metrics else []
    write_report(runs, out, names, baseline, data_path, Console())
