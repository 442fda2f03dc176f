"""RecBole's command line: ``--model --dataset --config_files --nproc …`` and any ``--key=value``."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import typer

from recbole_xlrec.errors import ConfigError


def launch(arguments: Sequence[str]) -> None:
    """Runs one model as RecBole's ``run_recbole.py`` does, in one process or several, and prints its results.

    Raises:
        ConfigError: For an argument that is no ``--key=value``, and all that `recbole_xlrec.run` raises.
    """
    flags, overrides = parse(arguments)
    show_log()
    if flags.nproc == 1 and flags.world_size <= 0:
        from recbole_xlrec.bridge.experiment import run

        print_run(run(flags.model, flags.dataset, flags.config_files, overrides))
        return
    from recbole_xlrec.bridge.distributed import spawn

    spawn(flags, overrides)


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any]]:
    """Splits RecBole's own flags from the settings.

    Example:
        >>> flags, settings = parse(["--model=BPR", "--learning_rate=1e-2", "--topk=[5, 10]"])
        >>> flags.model, settings
        ('BPR', {'learning_rate': 0.01, 'topk': [5, 10]})
    """
    parser = argparse.ArgumentParser(prog="recbole-xlrec", add_help=False, allow_abbrev=False)
    parser.add_argument("--model", "-m")
    parser.add_argument("--dataset", "-d")
    parser.add_argument("--config_files", type=str.split, default=[])
    parser.add_argument("--nproc", type=int, default=1)
    parser.add_argument("--ip", default="localhost")
    parser.add_argument("--port", default="5678")
    parser.add_argument("--world_size", type=int, default=-1)
    parser.add_argument("--group_offset", type=int, default=0)
    flags, rest = parser.parse_known_args(list(arguments))
    return flags, _settings(rest)


def _settings(arguments: Sequence[str]) -> dict[str, Any]:
    from recbole_xlrec.data.yaml_files import parse_value

    settings: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not separator:
            raise ConfigError(f"{argument!r} is not understood: a setting is written --key=value")
        if key in settings:
            raise ConfigError(f"--{key} is given twice")
        settings[key] = parse_value(value)
    return settings


def print_run(run: Any) -> None:
    """Prints the metrics of a finished run, and where it is."""
    for part in ("valid", "test"):
        typer.echo(f"{part:6}" + _line(run.metrics[part]))
    for language, values in run.metrics["test_by_language"].items():
        shown = {name: value for name, value in values.items() if name != "queries"}
        typer.echo(f"{language:6}{_line(shown)}  ({values['queries']} queries)")
    if "finetune" in run.metrics:
        typer.echo(_tuned(run.metrics["finetune"], run.metrics["valid"]))
    state = "written to" if run.fresh else "finished before (--rerun=True repeats it):"
    typer.echo(f"run {state} {run.folder}")


def _tuned(tuning: dict[str, Any], valid: dict[str, float]) -> str:
    metric, languages = tuning["valid_metric"], ", ".join(tuning["languages"])
    before, after = tuning["valid_before"][metric], valid[metric]
    kept = "" if tuning["improved"] else ": no epoch was better, the joint weights are kept"
    change = f"valid {metric} {before:.4f} before, {after:.4f} after"
    return f"fine-tuned on {languages} from {tuning['from']}: {change}{kept}"


def _line(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def show_log() -> None:
    """RecBole's running account on the terminal, as its own command line shows it."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers:
        handler.setLevel(logging.INFO)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
