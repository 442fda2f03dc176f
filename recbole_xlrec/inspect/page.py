"""A profile as one HTML file that needs nothing but a browser: styles, scripts and numbers are in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

import recbole_xlrec
from recbole_xlrec.data.files import replacing
from recbole_xlrec.inspect import lines
from recbole_xlrec.inspect.advice import Advice, percent
from recbole_xlrec.inspect.plots import figures
from recbole_xlrec.inspect.profile import Profile


def write_page(profile: Profile, warnings: Sequence[Advice], path: Path) -> None:
    """Writes the page, whole or not at all."""
    text = page(profile, warnings)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def page(profile: Profile, warnings: Sequence[Advice]) -> str:
    """The page's HTML; texts of the data are escaped, and the page's own policy forbids it the network."""
    template = (resources.files("recbole_xlrec") / "resources" / "inspect.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    plots = figures(profile)
    # A "<" in JSON could end the script element; < is the same character to JSON.
    numbers = json.dumps(plots, allow_nan=False).replace("<", "\\u003c")
    return environment.from_string(template).render(
        profile=profile,
        warnings=warnings,
        lines=lines,
        plots=plots,
        numbers=numbers,
        plotly=get_plotlyjs(),
        version=recbole_xlrec.__version__,
    )
