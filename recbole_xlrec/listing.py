"""What ``recbole-xlrec models`` and ``recbole-xlrec doctor`` print."""

from __future__ import annotations

import os
import platform

from rich.console import Console
from rich.table import Table

from recbole_xlrec.errors import ConfigError


def print_models(family: str | None = None) -> None:
    """Prints every model with its family and a line on what it is.

    Raises:
        ConfigError: For an unknown family.
    """
    from recbole_xlrec.bridge.registry import FAMILIES, available_models

    if family is not None and family not in FAMILIES:
        raise ConfigError(f"no family {family!r}; there are {', '.join(FAMILIES)}")
    table = Table("model", "family", "from", "what it is", box=None, pad_edge=False, header_style="bold")
    for info in available_models().values():
        if family in (None, info.family):
            style = "bold" if info.source == "recbole_xlrec" else None
            table.add_row(info.name, info.family, info.source, info.summary, style=style)
    Console().print(table)


def print_doctor() -> None:
    """Prints the stack, the patches of RecBole with their reasons, accelerators and optional extras."""
    from recbole_xlrec.bridge import compat
    from recbole_xlrec.bridge.environment import EXTRAS, PACKAGES, accelerators, version

    console = Console()
    stack = _table("The stack", "package", "version")
    stack.add_row("python", platform.python_version())
    for name in PACKAGES:
        stack.add_row(name, version(name) or "missing")
    patches = _table("What of RecBole is patched, in memory only", "what", "state", "why")
    for report in compat.apply():
        patches.add_row(report.what, "patched" if report.applied else "not needed", report.why)
    extras = _table("Optional extras", "extra", "package", "state")
    for extra, name in EXTRAS.items():
        extras.add_row(extra, name, version(name) or f'missing: pip install "recbole_xlrec\\[{extra}]"')
    for table in (stack, patches, extras):
        console.print(table)
        console.print()
    console.print(
        f"Processors: {os.cpu_count()}. Accelerators: {', '.join(accelerators()) or 'none, models run on the CPU'}."
    )


def _table(title: str, *headers: str) -> Table:
    return Table(*headers, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
