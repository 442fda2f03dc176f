"""Lists as plain objects: what JSON lines hold and the service answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from recbole_xlrec.serving.catalogue import Catalogue
from recbole_xlrec.serving.queries import Recommendations


def objects(catalogue: Catalogue, part: Recommendations) -> Iterator[dict[str, Any]]:
    """One object a query: `query_id`, `source`, `note`, `unknown_items` and `items`.

    Args:
        catalogue: Titles and languages of the items.
        part: The lists.
    """
    numbers = catalogue.numbers.get_indexer(part.item_ids.ravel()).reshape(part.item_ids.shape)
    for row, query in enumerate(part.query_ids):
        items = [
            _item(catalogue, part, row, place, int(number)) for place, number in enumerate(numbers[row]) if number > 0
        ]
        yield {
            "query_id": query,
            "source": part.sources[row],
            "note": part.notes[row],
            "unknown_items": part.unknown[row],
            "items": items,
        }


def _item(catalogue: Catalogue, part: Recommendations, row: int, place: int, number: int) -> dict[str, Any]:
    item = {
        "item_id": str(part.item_ids[row, place]),
        "score": _short(float(part.scores[row, place])),
        "title": str(catalogue.titles[number]),
        "language": str(catalogue.languages[number]),
    }
    if part.reasons is not None:
        item["because"] = [
            {name: value for name, value in reason._asdict().items() if value != ""} | {"share": _short(reason.share)}
            for reason in part.reasons[row][place]
        ]
    return item


def _short(value: float) -> float:
    """A float32 in as few digits as give it back."""
    return float(f"{value:.7g}") if math.isfinite(value) else 0.0
