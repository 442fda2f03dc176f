"""The verb `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recbole_xlrec.errors import ConfigError


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    metrics: Annotated[str | None, typer.Option(help="As ndcg,recall,mrr; by default the run's own.")] = None,
    topk: Annotated[str | None, typer.Option(help="Cut-offs, as 10,20; by default the run's own.")] = None,
    vectors: Annotated[
        str | None,
        typer.Option(help="Encoder of the items' texts, as ngram: similarity across languages and diversity too."),
    ] = None,
    data_path: Annotated[
        Path | None, typer.Option(help="Folder of the datasets, for --vectors; by default as in the run.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file too.")] = None,
) -> None:
    """Measure saved rankings: by user language and target language, transfer, fairness, exposure, cold, tail, head."""
    from rich.console import Console

    from recbole_xlrec.evaluation.evaluate import evaluate_runs

    names = [name.strip() for name in metrics.split(",")] if metrics else None
    evaluate_runs(runs, names, _cut_offs(topk), vectors, data_path, json, Console())


def _cut_offs(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text else None
    except ValueError as error:
        raise ConfigError(f"--topk {text}: write whole numbers, as 10,20") from error
