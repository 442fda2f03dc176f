"""A dataset small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DAY = 86400
START = 1_000_000_000  # 2001-09-09 01:46:40 UTC

INTER = [
    ("u1", "de:1", START),
    ("u1", "de:2", START),
    ("u1", "ja:1", START + DAY),
    ("u1", "de:1", START + 2 * DAY),
    ("u2", "ja:1", START + 3 * DAY),
    ("u3", "de:2", START + 4 * DAY),
]
ITEM = [("de:1", "de", "1"), ("ja:1", "ja", "1"), ("de:2", "de", "2"), ("ja:3", "ja", "3")]
USER = [("u1", "de"), ("u2", "ja"), ("u3", "de")]
TEXT = [
    ("de:1", "de", "Hund"),
    ("ja:1", "ja", "犬"),
    ("ja:3", "ja", "猫猫"),
    ("ja:3", "de", "Katze"),
    ("de:2", "de", ""),
]


@pytest.fixture
def tiny(tmp_path: Path, write_dataset: Callable[..., Path]) -> Path:
    """A `data_path` with the dataset `tiny`: three users, four items of three works, two languages."""
    works = {"item": ("item_id", "language", "work_id")}
    return write_dataset(tmp_path / "data", inter=INTER, item=ITEM, user=USER, text=TEXT, columns=works)
