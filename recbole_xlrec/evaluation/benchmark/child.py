"""One run in a process of its own, watched: its time, and the memory of it and of what it started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from recbole_xlrec.evaluation.benchmark.manifest import FAILED, FINISHED, MEMORY, TIMEOUT
from recbole_xlrec.evaluation.benchmark.suite import Limits

WORKER = (sys.executable, "-m", "recbole_xlrec.evaluation.benchmark.worker")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TAIL = 1 << 16
_LONGEST = 500


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        status: finished, failed, timeout or memory.
        seconds: From start to end.
        peak_memory_mb: The most that was seen, in 2^20 bytes.
        folder: The run folder of one that finished.
        message: Why another did not.
    """

    status: str
    seconds: float
    peak_memory_mb: float
    folder: str | None = None
    message: str | None = None


class Child:
    """A run that is under way.

    Args:
        spec: The arguments of `recbole_xlrec.run`.
        log: Where to keep what it writes.
        limits: What it may use.
        threads: How many threads it may compute with, where the environment does not say.
    """

    def __init__(self, spec: Mapping[str, Any], log: Path, limits: Limits, threads: int) -> None:
        self._log, self._limits = log, limits
        self._started, self._peak = time.monotonic(), 0.0
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as lines:
            self._process = subprocess.Popen(
                [*WORKER, json.dumps(spec)],
                stdin=subprocess.PIPE,  # its end tells the child that this process is gone
                stdout=subprocess.PIPE,
                stderr=lines,
                env={**dict.fromkeys(_THREADS, str(threads)), **os.environ},
                start_new_session=True,  # Ctrl-C is this process's to handle
            )
        self._watched = psutil.Process(self._process.pid)

    def poll(self) -> Outcome | None:
        """How it ended, or None while it runs within its limits; one that does not is killed."""
        minutes, memory_gb = self._limits
        code = self._process.poll()
        if code is not None:
            return self._end(code)
        self._peak = max(self._peak, used := _memory(self._watched))
        if memory_gb is not None and used > memory_gb * 1e9:
            self.kill()
            return self._outcome(MEMORY, message=f"used {used / 1e9:.2f} GB of memory, memory_gb is {memory_gb:g}")
        if minutes is not None and time.monotonic() - self._started > minutes * 60:
            self.kill()
            return self._outcome(TIMEOUT, message=f"not finished after {minutes:g} minutes")
        return None

    def kill(self) -> None:
        """Ends it and what it started, now; nothing that is half-written is ever taken for whole."""
        for process in _tree(self._watched):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def _end(self, code: int) -> Outcome:
        answer, _ = self._process.communicate()
        try:
            said = dict(json.loads(answer))
        except (ValueError, TypeError):
            said = {}
        if code == 0 and "folder" in said:
            return self._outcome(FINISHED, folder=str(said["folder"]))
        return self._outcome(FAILED, message=said.get("message") or self._why(code))

    def _outcome(self, status: str, folder: str | None = None, message: str | None = None) -> Outcome:
        seconds = time.monotonic() - self._started
        return Outcome(status, seconds, self._peak / 2**20, folder, message and message[:_LONGEST])

    def _why(self, code: int) -> str:
        if code == -signal.SIGKILL:
            return "killed by another process, or by the system when memory ran out"
        if code < 0:
            return f"ended by {signal.Signals(-code).name}: {last_line(self._log)}"
        return last_line(self._log) or f"exit status {code}, and nothing in the log"


def last_line(path: Path) -> str:
    """The last line of a log that says something, without colours: of a traceback, the error."""
    with path.open("rb") as lines:
        lines.seek(max(0, path.stat().st_size - _TAIL))
        text = _COLOUR.sub("", lines.read().decode("utf-8", errors="replace"))
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> float:
    """Resident bytes of a process and its descendants; what they share counts for each."""
    total = 0.0
    for part in _tree(process):
        try:
            total += part.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total
