"""One benchmark from its suite to its tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from rich.console import Console
from rich.markup import escape

from recbole_xlrec.data.files import replacing
from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.benchmark.cell import Cell
from recbole_xlrec.evaluation.benchmark.forecast import forecast
from recbole_xlrec.evaluation.benchmark.manifest import Entry, Manifest
from recbole_xlrec.evaluation.benchmark.plan import plan, select
from recbole_xlrec.evaluation.benchmark.progress import Display
from recbole_xlrec.evaluation.benchmark.reading import check_seeds, read_suite
from recbole_xlrec.evaluation.benchmark.runner import Runner, unfinished
from recbole_xlrec.evaluation.benchmark.suite import Suite
from recbole_xlrec.evaluation.benchmark.tables import heading, page, shown, tables

TABLES = "tables.md"


class Call(NamedTuple):
    """What the command line says besides the suite.

    Attributes:
        data_path: Folder of the datasets.
        run_path: Folder of the runs; the benchmark's own is ``benchmarks/<suite>`` in it.
        jobs: How many runs at a time.
        only: Patterns ``row/dataset/protocol``; none for all.
        seeds: In place of the suite's.
        retry_failed: Whether what failed before is tried again.
        dry_run: Whether to show the plan and do nothing.
    """

    data_path: Path = Path("atomic_data")
    run_path: Path = Path("runs")
    jobs: int = 1
    only: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    retry_failed: bool = False
    dry_run: bool = False


def benchmark(which: str | Path, call: Call | None = None, console: Console | None = None) -> bool:
    """Makes the runs of a suite that have not been made, and shows its tables.

    Args:
        which: Name of a shipped suite, or path of one.
        call: The rest of the command line.
        console: Where to print.

    Returns:
        Whether every run that was asked for has finished.

    Raises:
        ConfigError: For a mistake in the suite or the patterns; before anything runs.
        DataError: If a dataset is not there, or another process works on the same benchmark.
        KeyboardInterrupt: When interrupted; the same command goes on.
    """
    call, console = call or Call(), console or Console()
    suite = read_suite(which)
    if call.seeds:
        suite = suite._replace(seeds=check_seeds(call.seeds, "--seeds"))
    cells = plan(suite, call.data_path)
    chosen = select(cells, call.only)
    folder = call.run_path / "benchmarks" / suite.name
    head = {"suite": suite.name, "description": suite.description, "metrics": list(suite.metrics)}
    base = {
        "data_path": str(call.data_path),
        "run_path": str(call.run_path),
        "show_progress": False,
        "keep_model": False,
    }
    if call.dry_run:
        manifest = Manifest(folder, head)
        console.print(forecast(Runner(folder, suite, cells, chosen, manifest, base), manifest, chosen, call.jobs))
        return True
    with _alone(folder):
        manifest = Manifest(folder, head)
        manifest.revive(call.retry_failed)
        runner = Runner(folder, suite, cells, chosen, manifest, base)
        entries = _run(runner, chosen, manifest, call.jobs, console)
        _show(suite, chosen, entries, console)
        _write(suite, cells, manifest, folder)
        lost = len(unfinished(entries))
        counts = f"{len(entries) - lost} runs finished, {lost} without a result."
        _say(console, f"{counts} Tables: {folder / TABLES}. Logs: {folder / 'logs'}.")
        _say(console, f"Next: recbole-xlrec report {shlex.quote(str(folder))}")
    return lost == 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"another process is working on the benchmark in {folder}; wait for it to end, or give another --run-path, "
            "or another name in the suite"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _run(runner: Runner, chosen: Sequence[Cell], manifest: Manifest, jobs: int, console: Console) -> list[Entry]:
    """Makes the runs; gives the entries of the chosen cells."""
    runner.refresh()
    before = _entries(runner, chosen, manifest)
    done, failed = sum(entry.ended for entry in before), len(unfinished(before))
    if done:
        again = " (--retry-failed tries those again)" if failed else ""
        console.print(f"{done} of {runner.total()} runs ended before, {failed} of them without a result{again}.")
    try:
        with Display(console, done, runner.total()) as display:
            runner.run(jobs, display)
    except KeyboardInterrupt:
        counts = manifest.counts()
        console.print(f"Interrupted with {counts['finished']} runs finished. The same command goes on.")
        raise
    return _entries(runner, chosen, manifest)


def _entries(runner: Runner, chosen: Sequence[Cell], manifest: Manifest) -> list[Entry]:
    runs = [run for cell in chosen for run in runner.runs(cell)]
    return [entry for run in runs if (entry := manifest.of(run)) is not None]


def _show(suite: Suite, chosen: Sequence[Cell], entries: Sequence[Entry], console: Console) -> None:
    for results in tables(chosen, entries, suite.seeds, suite.metrics):
        for metric in suite.metrics if results.rows else ():
            _say(console, f"\n{heading(results, metric, len(suite.seeds))}")
            console.print(shown(results, metric))
        if results.missing:
            _say(console, f"{results.title}: no result of {', '.join(results.missing)}")
    for entry in unfinished(entries):
        where = f"{entry.row}, {entry.dataset}, {entry.protocol}, seed {entry.seed}"
        _say(console, f"{entry.status}: {where}: {entry.message} (log: {entry.log})")


def _write(suite: Suite, cells: Sequence[Cell], manifest: Manifest, folder: Path) -> None:
    """Writes the tables of all cells, those made in earlier calls among them."""
    found = tables(cells, list(manifest.entries.values()), suite.seeds, suite.metrics)
    with replacing(folder / TABLES) as partial:
        partial.write_text(page(found, suite.metrics), encoding="utf-8")


def _say(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True, highlight=False)
