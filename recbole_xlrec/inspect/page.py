"""A profile as one HTML file that needs nothing but a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_xlrec.inspect import lines
from recbole_xlrec.inspect.advice import Advice, percent
from recbole_xlrec.inspect.plots import figures
from recbole_xlrec.inspect.profile import Profile
from recbole_xlrec.pages import render, write_text


def write_page(profile: Profile, warnings: Sequence[Advice], path: Path) -> None:
    """Writes the page, whole or not at all."""
    write_text(page(profile, warnings), path)


def page(profile: Profile, warnings: Sequence[Advice]) -> str:
    """The page's HTML; texts of the data are escaped, and the page's own policy forbids it the network."""
    plots = figures(profile)
    values = {"profile": profile, "warnings": warnings, "lines": lines, "plots": plots}
    return render("inspect.html.j2", plots, values, {"percent": percent})
