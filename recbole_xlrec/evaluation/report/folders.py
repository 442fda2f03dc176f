"""Finds runs: in run folders, in folders of such, and in those of benchmarks."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recbole_xlrec.bridge.protocol_keys import protocol_languages
from recbole_xlrec.bridge.run_folder import CONFIG, ENVIRONMENT, LOG, METRICS, read_metrics
from recbole_xlrec.data.yaml_files import read_yaml
from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.evaluation.benchmark.manifest import FINISHED, NAME, PENDING, RUNNING
from recbole_xlrec.evaluation.report.structure import Failure, Run

_WANTED = ("dataset", "protocol", "row", "seed", "status", "folder")


class Found(NamedTuple):
    """What some folders hold.

    Attributes:
        runs: Finished runs; those of no benchmark have no row's name yet.
        failures: Runs without a result.
        metrics: Those that benchmarks show in their tables.
        names: Of the benchmarks, with what they say of themselves.
        notes: What was left out.
    """

    runs: list[Run]
    failures: list[Failure]
    metrics: list[str]
    names: dict[str, str]
    notes: list[str]


def find_runs(paths: Sequence[Path]) -> Found:
    """Reads what can be reported of some folders.

    Args:
        paths: Run folders, folders of run folders, benchmarks' folders.

    Raises:
        DataError: If a folder is not there, holds nothing of a run, or none of all runs has finished.
    """
    found = Found([], [], [], {}, [])
    manifests, folders = _look(paths)
    for path in manifests:
        _add_benchmark(path, found)
    known = {run.folder.resolve() for run in found.runs}
    blind = 0
    for folder in folders:
        if not (folder / METRICS).is_file() or folder.name.endswith(".partial"):
            found.failures.append(_unfinished(folder))
        elif folder.resolve() not in known:
            run = _bare(folder)
            blind += not run.metrics["test"]
            found.runs.extend([run] if run.metrics["test"] else [])
    if blind:
        found.notes.append(f"{blind} runs were not evaluated on the test part, such as trials of a search: left out.")
    if not found.runs:
        ends = "; ".join(f"{failure.place}: {failure.status}, {failure.message}" for failure in found.failures[:3])
        raise DataError(f"no finished run in {sample(map(str, paths))}. {ends or 'Nothing was made there yet'}")
    return found


def _look(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The manifests and the run folders, each once."""
    manifests: dict[Path, Path] = {}
    folders: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise DataError(f"no folder {path}: name run folders, folders of run folders, or a benchmark's folder")
        here = list(_below(path, NAME))
        configs = {file.parent for name in (CONFIG, METRICS) for file in _below(path, name)}
        if not here and not configs:
            raise DataError(
                f"{path} holds no run: there is no {METRICS} and no {NAME} in it or below. Give a folder that a run "
                "or a benchmark has written"
            )
        manifests |= {file.resolve(): file for file in here}
        folders |= {folder.resolve(): folder for folder in sorted(configs) if not folder.name.endswith(".old")}
    return list(manifests.values()), list(folders.values())


def _below(path: Path, name: str) -> Iterator[Path]:
    """The files of that name, not in hidden folders."""
    for file in sorted(path.rglob(name)):
        if not any(part.startswith(".") for part in file.relative_to(path).parts):
            yield file


def _add_benchmark(path: Path, found: Found) -> None:
    manifest = _manifest(path)
    entries = [entry for entry in manifest["runs"] if entry.get("trial") is None]
    suite = str(manifest.get("suite") or path.parent.name)
    found.names[suite] = str(manifest.get("description") or "")
    found.metrics.extend(metric for metric in manifest.get("metrics") or () if metric not in found.metrics)
    if trials := len(manifest["runs"]) - len(entries):
        found.notes.append(f"{suite}: settings were searched for in {trials} trials, compared on validation alone.")
    if waiting := sum(entry["status"] in (PENDING, RUNNING) for entry in entries):
        found.notes.append(f"{suite}: {waiting} of {len(entries)} runs have not ended; the same command goes on.")
    ended = Counter(_cell(entry) for entry in entries if entry["status"] == FINISHED)
    planned = Counter(map(_cell, entries))
    for entry in entries:
        if entry["status"] == FINISHED and ended[_cell(entry)] == planned[_cell(entry)]:
            found.runs.append(_of_benchmark(path, entry))
        elif entry["status"] not in (FINISHED, PENDING, RUNNING):
            found.failures.append(_failed(entry))
    for (dataset, protocol, row, seed), count in planned.items():
        if 0 < (there := ended[dataset, protocol, row, seed]) < count:
            found.notes.append(
                f"{suite}: of {row}, {dataset}, {protocol}, seed {seed}, {there} of {count} runs have finished: the "
                "seed is left out."
            )


def _cell(entry: Mapping[str, Any]) -> tuple[str, str, str, int]:
    return entry["dataset"], entry["protocol"], entry["row"], entry["seed"]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for entry in manifest["runs"] for name in _WANTED if name not in entry]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} is broken: {type(error).__name__}: {error}. Run the benchmark once more; it finds what has "
            "finished, and writes the file anew"
        ) from error
    if missing:
        raise DataError(f"{path} is no manifest of a benchmark: its runs lack {sample(dict.fromkeys(missing))}")
    return dict(manifest)


def _of_benchmark(manifest: Path, entry: Mapping[str, Any]) -> Run:
    folder = _folder(manifest, str(entry["folder"]))
    label, row, command = str(entry["protocol"]), str(entry["row"]), str(entry.get("command") or "")
    return _run(folder, label, row, command)._replace(seed=int(entry["seed"]), dataset=str(entry["dataset"]))


def _folder(manifest: Path, folder: str) -> Path:
    """A run's folder, also where all have been moved: it lies in the run_path, as the benchmark's folder does."""
    for path in (manifest.resolve().parents[2].joinpath(*Path(folder).parts[-3:]), Path(folder)):
        if (path / METRICS).is_file():
            return path
    raise DataError(
        f"{manifest} says that {folder} has finished, but it holds no {METRICS}. Run the benchmark once more: what is "
        "gone is made again. Or call report from the folder that the benchmark was called from"
    )


def _failed(entry: Mapping[str, Any]) -> Failure:
    dataset, protocol, row, seed, status = (str(entry[name]) for name in _WANTED[:5])
    texts = (str(entry.get(name) or "") for name in ("message", "log", "command"))
    return Failure(dataset, protocol, row, seed, status, *texts)


def _bare(folder: Path) -> Run:
    return _run(folder, "", "", "")


def _run(folder: Path, protocol: str, row: str, command: str) -> Run:
    metrics, config = read_metrics(folder), read_yaml(folder / CONFIG)
    missing = [name for name in ("test", "test_by_language", "seconds", "peak_memory_mb") if name not in metrics]
    missing += [name for name in ("dataset", "model", "seed") if name not in config]
    if missing:
        raise DataError(
            f"{folder} was made by another version, or is broken: {METRICS} and {CONFIG} lack {', '.join(missing)}. "
            "Make the run again with rerun: True"
        )
    return Run(
        folder,
        str(config["dataset"]),
        protocol or protocol_label(config),
        row,
        str(config["model"]),
        int(config["seed"]),
        config,
        metrics,
        command or _command(folder),
    )


def protocol_label(config: Mapping[str, Any]) -> str:
    """Name of a run's protocol, with what it names.

    Example:
        >>> protocol_label({"protocol": "zero_shot", "protocol_language": ["fr", "it"], "protocol_by": "items"})
        'zero_shot fr,it items'
    """
    full = {"protocol": "joint", "protocol_language": None, **config}
    side = "items" if full.get("protocol_by") == "items" else ""
    return " ".join(part for part in (str(full["protocol"]), ",".join(protocol_languages(full)), side) if part)


def _command(folder: Path) -> str:
    """The command line that made a run, as its environment has it."""
    words: Iterable[Any] = environment_of(folder).get("command") or ()
    program, *rest = [str(word) for word in words] or [""]
    return shlex.join([Path(program).name, *rest]) if program else ""


def environment_of(folder: Path) -> dict[str, Any]:
    """What a run was made with; empty where it is not known."""
    try:
        return dict(json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / ENVIRONMENT} is broken: {error}. Make the run again with rerun: True") from error


def _unfinished(folder: Path) -> Failure:
    config = read_yaml(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    log = folder / LOG
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    message = f"there is no {METRICS}: it was interrupted, or is still running." + (f" Last: {last}" if last else "")
    names = [str(config.get(name, "?")) for name in ("dataset", "model", "seed")]
    return Failure(names[0], protocol_label(config), names[1], names[2], "unfinished", message, str(folder), "")
