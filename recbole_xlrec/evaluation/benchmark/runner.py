"""The scheduler: starts runs, watches them, writes down how they end, and lets searches choose."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_xlrec.bridge.run_folder import read_metrics
from recbole_xlrec.errors import DataError
from recbole_xlrec.evaluation.benchmark.cell import Cell, Planned
from recbole_xlrec.evaluation.benchmark.child import Child, Outcome
from recbole_xlrec.evaluation.benchmark.command import command
from recbole_xlrec.evaluation.benchmark.manifest import FAILED, FINISHED, PENDING, RUNNING, Entry, Manifest
from recbole_xlrec.evaluation.benchmark.progress import Display
from recbole_xlrec.evaluation.benchmark.search import Searching
from recbole_xlrec.evaluation.benchmark.suite import Suite

_PAUSE = 0.1  # seconds between two looks at the children


class Runner:
    """Makes the runs of a benchmark.

    Args:
        folder: The benchmark's folder.
        suite: The suite.
        cells: All its cells.
        chosen: Those whose runs are made now.
        manifest: The state so far.
        base: Paths and other settings that every run has.
    """

    def __init__(
        self,
        folder: Path,
        suite: Suite,
        cells: Sequence[Cell],
        chosen: Sequence[Cell],
        manifest: Manifest,
        base: Mapping[str, Any],
    ) -> None:
        self._folder, self._suite, self._cells, self._chosen = folder, suite, cells, chosen
        self._manifest, self._base = manifest, base
        self._searches = {
            cell.names: Searching(cell, suite.search, suite.seeds[0]) for cell in cells if cell.row.space is not None
        }
        self._children: dict[str, tuple[Planned, Cell, Child]] = {}

    def total(self) -> int:
        """How many runs the chosen cells have, trials among them."""
        return sum(map(self.count, self._chosen))

    def count(self, cell: Cell) -> int:
        """How many runs a cell has, those of trials among them."""
        return len(cell.scopes) * (len(self._suite.seeds) + self.budget(cell))

    def budget(self, cell: Cell) -> int:
        """How many trials the search of a cell has."""
        search = self._searches.get(cell.names)
        return search.budget if search else 0

    def runs(self, cell: Cell) -> list[Planned]:
        """The runs of a cell that are known by now; what a search chooses is known when it has ended."""
        search = self._searches.get(cell.names)
        if search is None:
            return [run for seed in self._suite.seeds for run in cell.runs(seed)]
        trials = [run for trial in search.trials(self._manifest) for run in trial]
        chosen = search.chosen(self._manifest) if search.ended(self._manifest) else None
        if chosen is None:
            return trials
        return trials + [run for seed in self._suite.seeds for run in cell.runs(seed, chosen)]

    def run(self, jobs: int, display: Display) -> None:
        """Makes every run that is still to be made, `jobs` at a time.

        Raises:
            KeyboardInterrupt: When interrupted, after its children have been ended and the manifest says so.
        """
        try:
            while True:
                for cell, run in self._ready()[: jobs - len(self._children)]:
                    self._start(cell, run, max(1, _processors() // jobs), display)
                if not self._children:
                    return
                while not self._look(display):
                    time.sleep(_PAUSE)
        finally:
            self._stop()

    def refresh(self) -> None:
        """Brings the manifest's entries to what is planned by now."""
        self._manifest.keep((run for cell in self._cells for run in self.runs(cell)), self._entry)

    def _ready(self) -> list[tuple[Cell, Planned]]:
        self.refresh()
        pairs = [(cell, run) for cell in self._chosen for run in self.runs(cell)]
        return [(cell, run) for cell, run in pairs if (entry := self._manifest.of(run)) and entry.status == PENDING]

    def _entry(self, run: Planned) -> Entry:
        values = run._asdict()
        kept = {name: values[name] for name in Entry.__dataclass_fields__ if name in values}
        return Entry(**kept, command=command(run, self._base), log=str(self._log(run)))

    def _log(self, run: Planned) -> Path:
        number = "" if run.trial is None else f"-trial{run.trial}"
        slug = re.sub(r"[^\w.-]+", "-", f"{run.row}-{run.dataset}-{run.protocol}-{run.seed}{number}")
        return self._folder / "logs" / f"{slug}-{hashlib.sha256(run.key.encode()).hexdigest()[:6]}.log"

    def _start(self, cell: Cell, run: Planned, threads: int, display: Display) -> None:
        entry = self._manifest.entries[run.key]
        entry.status = RUNNING
        self._manifest.save()
        spec = {
            "model": run.model,
            "dataset": run.dataset,
            "config_files": run.config_files,
            "config": {**self._base, **run.overrides},
        }
        self._children[run.key] = (run, cell, Child(spec, Path(entry.log), run.limits, threads))
        display.started(run)

    def _look(self, display: Display) -> bool:
        """Notes which children have ended; says whether any has."""
        before = len(self._children)
        for key, (run, cell, child) in list(self._children.items()):
            outcome = child.poll()
            if outcome is None:
                continue
            del self._children[key]
            entry = self._manifest.entries[key]
            _note(entry, outcome, cell.valid_metric)
            self._manifest.save()
            display.ended(run, entry)
        return len(self._children) < before

    def _stop(self) -> None:
        """Ends what is under way; without an interruption, nothing is."""
        for key, (_, _, child) in self._children.items():
            child.kill()
            self._manifest.entries[key].reset()
        self._children.clear()
        self._manifest.save()


def _note(entry: Entry, outcome: Outcome, valid_metric: str) -> None:
    entry.status, entry.seconds, entry.peak_memory_mb, entry.folder, entry.message = (
        outcome.status,
        outcome.seconds,
        outcome.peak_memory_mb,
        outcome.folder,
        outcome.message,
    )
    if outcome.folder is None:
        return
    try:
        metrics = read_metrics(Path(outcome.folder))
        entry.seconds, entry.peak_memory_mb = sum(metrics["seconds"].values()), metrics["peak_memory_mb"]
        entry.valid = metrics["valid"].get(valid_metric)
    except (DataError, KeyError) as error:
        entry.status, entry.folder, entry.message = FAILED, None, f"its metrics cannot be read: {error}"


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unfinished(entries: Iterable[Entry]) -> list[Entry]:
    """The entries that ended without a result."""
    return [entry for entry in entries if entry.ended and entry.status != FINISHED]
