"""The verb `benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recbole_xlrec.cli_data import DataPath
from recbole_xlrec.errors import ConfigError


def benchmark(
    suite: Annotated[str, typer.Argument(help="Name of a suite that comes with the package, or a .yaml file.")],
    data_path: DataPath = Path("atomic_data"),
    run_path: Annotated[Path, typer.Option(help="Folder of the runs; tables and logs in its benchmarks/.")] = Path(
        "runs"
    ),
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; each gets its share of the processors.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option(help="ROW/DATASET/PROTOCOL, with * for any; may be repeated.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="In place of the suite's, as 2020,2021.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")] = False,
) -> None:
    """Run a grid of datasets, models, protocols and seeds, each run in its own process; interrupted, it goes on."""
    from recbole_xlrec.evaluation.benchmark.benchmark import Call
    from recbole_xlrec.evaluation.benchmark.benchmark import benchmark as run_benchmark

    call = Call(data_path, run_path, jobs, tuple(only or ()), _numbers(seeds), retry_failed, dry_run)
    try:
        complete = run_benchmark(suite, call)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if not complete:
        raise typer.Exit(1)


def _numbers(seeds: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in seeds.split(",")) if seeds else ()
    except ValueError as error:
        raise ConfigError(f"--seeds {seeds}: write whole numbers, as 2020,2021") from error
