"""What a benchmark shows while it runs: a line a run that ended, and on a terminal a bar with what is running."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recbole_xlrec.evaluation.benchmark.cell import Planned
from recbole_xlrec.evaluation.benchmark.manifest import FINISHED, Entry


class Display:
    """Lines, and a bar where the console is a terminal.

    Args:
        console: Where to.
        done: How many runs had ended before.
        total: How many there are.
    """

    def __init__(self, console: Console, done: int, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._console, self._done, self._total = console, done, total
        self._task = self._progress.add_task("", total=total, completed=done)
        self._running: dict[str, str] = {}

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, run: Planned) -> None:
        """A run has begun."""
        self._running[run.key] = run.title
        self._show()

    def ended(self, run: Planned, entry: Entry) -> None:
        """A run has ended, one way or another."""
        self._done += 1
        del self._running[run.key]
        spent = f"{entry.seconds or 0:.1f} s, {(entry.peak_memory_mb or 0) / 1000:.1f} GB"
        style = "green" if entry.status == FINISHED else "red"
        why = f"\n    {escape(entry.message or '')}\n    log: {escape(entry.log)}" if entry.status != FINISHED else ""
        place = escape(f"[{self._done}/{self._total}]")
        self._console.print(f"{place} [{style}]{entry.status:8}[/] {escape(run.title)}  {spent}{why}", soft_wrap=True)
        self._show()

    def _show(self) -> None:
        self._progress.update(self._task, completed=self._done, description=escape(" | ".join(self._running.values())))
