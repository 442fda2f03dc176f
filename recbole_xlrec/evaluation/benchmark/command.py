"""The command that repeats one run of a benchmark by hand."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from recbole_xlrec.data.yaml_files import parse_value
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.evaluation.benchmark.cell import Planned


def command(run: Planned, base: Mapping[str, Any]) -> str:
    """A line for a shell, whose run folder is that of the benchmark.

    Args:
        run: The run.
        base: Paths and other settings that every run of a benchmark has.
    """
    words = ["recbole-xlrec", f"--model={run.model}", f"--dataset={run.dataset}"]
    if run.config_files:
        words.append(f"--config_files={' '.join(run.config_files)}")
    words += [f"--{key}={written(value)}" for key, value in {**base, **run.overrides}.items()]
    return shlex.join(words)


def written(value: Any) -> str:
    """A value as the command line reads it back.

    Example:
        >>> written("zca"), written("1"), written([1e-05, None])
        ('zca', '"1"', '[1e-05, null]')
    """
    if isinstance(value, str) and _reads_as(value, value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _reads_as(text: str, value: Any) -> bool:
    try:
        return bool(parse_value(text) == value)
    except ConfigError:
        return False
