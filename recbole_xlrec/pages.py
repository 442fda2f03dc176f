"""Pages that are one HTML file and need nothing but a browser: styles, scripts and numbers are in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

import recbole_xlrec
from recbole_xlrec.data.files import replacing


def render(
    template: str,
    figures: Mapping[str, Mapping[str, Any]],
    values: Mapping[str, Any],
    filters: Mapping[str, Callable[..., Any]] | None = None,
) -> str:
    """The HTML of a page; texts of the data are escaped, and the page's own policy forbids it the network.

    One without figures comes without the library that draws them.

    Args:
        template: Name of a template in ``resources`` that extends ``page.html.j2``.
        figures: Plotly figures by the names that the template has places for.
        values: What else the template shows.
        filters: What it does to them.
    """
    environment = Environment(
        loader=PackageLoader("recbole_xlrec", "resources"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    # A "<" in JSON could end the script element; \u003c is the same character to JSON.
    numbers = json.dumps(figures, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    fixed = {"numbers": numbers, "plotly": get_plotlyjs() if figures else "", "version": recbole_xlrec.__version__}
    return environment.get_template(template).render({**values, **fixed})


def write_text(text: str, path: Path) -> None:
    """Writes a text file, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
