"""The state of a benchmark on disk: one JSON file, replaced whole at each change."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recbole_xlrec.bridge.run_folder import METRICS, write_json
from recbole_xlrec.evaluation.benchmark.cell import IDENTITY, Planned, run_key

logger = logging.getLogger(__name__)

NAME = "manifest.json"
_BROKEN = f"{NAME}.broken"
PENDING, RUNNING, FINISHED, FAILED, TIMEOUT, MEMORY = "pending", "running", "finished", "failed", "timeout", "memory"
#: The states that are not tried again unless asked for.
UNSUCCESSFUL = (FAILED, TIMEOUT, MEMORY)


@dataclass
class Entry:
    """One run of the manifest.

    Attributes:
        dataset, row, model, protocol, seed, trial, overrides, inputs: As of `Planned`.
        command: Repeats the run by hand.
        log: What its process wrote.
        status: See the constants above.
        folder: Its run folder, once it has finished.
        seconds: All steps of a finished run; of another, from its start to its end.
        peak_memory_mb: In 2^20 bytes; of a run that has not finished, as it was seen from outside.
        valid: The metric that early stopping goes by, on validation.
        message: Why it did not finish.
    """

    dataset: str
    row: str
    model: str
    protocol: str
    seed: int
    trial: int | None
    overrides: dict[str, Any]
    inputs: str
    command: str
    log: str
    status: str = PENDING
    folder: str | None = None
    seconds: float | None = None
    peak_memory_mb: float | None = None
    valid: float | None = None
    message: str | None = None

    @property
    def key(self) -> str:
        """As that of the planned run."""
        return run_key(**{name: getattr(self, name) for name in IDENTITY})

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.status not in (PENDING, RUNNING)

    def reset(self) -> None:
        """As if it had never run."""
        self.status = PENDING
        self.folder = self.seconds = self.peak_memory_mb = self.valid = self.message = None


class Manifest:
    """The entries of one benchmark by the keys of their runs.

    Args:
        folder: The benchmark's folder.
        head: What the file says besides its runs.
    """

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self.path, self._head, self._broken = folder / NAME, head, False
        self.entries: dict[str, Entry] = {entry.key: entry for entry in self._read()}

    def revive(self, retry_failed: bool) -> None:
        """Takes up what a killed process left: what was running, or whose folder is gone, is to be done again.

        Args:
            retry_failed: Whether what failed is, too.
        """
        if self._broken:
            os.replace(self.path, self.path.with_name(_BROKEN))
        for partial in self.path.parent.glob(f".{NAME}.*.partial"):
            partial.unlink()
        for entry in self.entries.values():
            gone = entry.status == FINISHED and not Path(str(entry.folder), METRICS).is_file()
            if entry.status == RUNNING or gone or (retry_failed and entry.status in UNSUCCESSFUL):
                entry.reset()

    def of(self, run: Planned) -> Entry | None:
        """The entry of a run, if there is one."""
        return self.entries.get(run.key)

    def keep(self, wanted: Iterable[Planned], make: Callable[[Planned], Entry]) -> None:
        """Leaves the entries of the wanted runs alone, in their order; those that are missing are made."""
        keyed = {run.key: run for run in wanted}
        self.entries = {key: self.entries[key] if key in self.entries else make(run) for key, run in keyed.items()}

    def counts(self) -> Counter[str]:
        """How many entries are in each state."""
        return Counter(entry.status for entry in self.entries.values())

    def save(self) -> None:
        """Writes the file beside its place and renames it."""
        write_json(self.path, {**self._head, "runs": [asdict(entry) for entry in self.entries.values()]})

    def _read(self) -> list[Entry]:
        try:
            return [Entry(**values) for values in json.loads(self.path.read_text(encoding="utf-8"))["runs"]]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, KeyError) as error:
            logger.warning(
                "%s is broken (%s) and will be set aside as %s; runs that have finished are found by their folders",
                self.path,
                error,
                _BROKEN,
            )
            self._broken = True
            return []
