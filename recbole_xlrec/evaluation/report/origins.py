"""Where results come from: data, models, machines and commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole_xlrec.evaluation.report.citations import citation, software
from recbole_xlrec.evaluation.report.folders import environment_of
from recbole_xlrec.evaluation.report.structure import Command, Origin, Run
from recbole_xlrec.evaluation.report.titles import data_folder
from recbole_xlrec.inspect.provenance import read_provenance


def datasets(runs: Sequence[Run], data_path: Path | None) -> tuple[Origin, ...]:
    """Source, licence and citation of each dataset, from its ``.meta.json``.

    Raises:
        DataError: If that file is broken.
    """
    firsts = {run.dataset: run for run in reversed(runs)}  # the first of each stays
    names = dict.fromkeys(run.dataset for run in runs)
    return tuple(_dataset(name, data_folder(firsts[name], data_path)) for name in names)


def _dataset(name: str, folder: Path | None) -> Origin:
    if folder is None:
        return Origin(name, (("source", "not known: its folder is not there; name its parent with --data-path"),))
    found = read_provenance(folder / f"{name}.meta.json")
    labels = ("source", "licence", "citation", "url")
    lines = tuple((label, text) for label in labels if (text := getattr(found, label)))
    return Origin(name, lines or (("source", f"not known: {name}.meta.json does not say"),))


def models(runs: Sequence[Run]) -> tuple[Origin, ...]:
    """Whom to cite for each model, and for what all are made with."""
    names = dict.fromkeys(run.model for run in runs)
    cited = [*((name, citation(name)) for name in names), *software()]
    return tuple(Origin(name, (("citation", text),)) for name, text in cited)


def environments(runs: Sequence[Run]) -> tuple[Origin, ...]:
    """The different environments of the runs, each with how many were made in it."""
    counted: dict[str, tuple[dict[str, Any], int]] = {}
    for run in runs:
        found = environment_of(run.folder)
        kept = {name: value for name, value in found.items() if name not in ("command", "data_sha256")}
        key = json.dumps(kept, sort_keys=True)
        counted[key] = (kept, counted.get(key, (kept, 0))[1] + 1)
    return tuple(
        Origin(f"{number} run{'' if number == 1 else 's'}", tuple(_environment(kept)))
        for kept, number in counted.values()
    )


def _environment(found: dict[str, Any]) -> list[tuple[str, str]]:
    if not found:
        return [("environment", "not recorded")]
    packages = found.get("packages") or {}
    accelerators = ", ".join(map(str, found.get("accelerators") or ())) or "none"
    return [
        ("python", str(found.get("python"))),
        ("platform", str(found.get("platform"))),
        ("processors", f"{found.get('processors')}, of which torch used {found.get('torch_threads')}"),
        ("accelerators", accelerators),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items() if version)),
    ]


def commands(runs: Sequence[Run]) -> tuple[Command, ...]:
    """What repeats each run."""
    return tuple(Command(run.dataset, run.protocol, run.row, run.seed, run.command or "not recorded") for run in runs)
