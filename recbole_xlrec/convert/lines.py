"""Blocks of whole lines: numbered, and rid of lines that are no text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.convert.rejects import Rejects

_NOT_TEXT = "not UTF-8 text"


class Block(NamedTuple):
    """Some lines of a file.

    Attributes:
        data: UTF-8, each line ended by a line feed.
        first: Number of the first line, from 1.
        height: How many lines.
        numbers: Number of each line, where lines are missing between them.
    """

    data: bytes
    first: int
    height: int
    numbers: NDArray[np.int64] | None = None

    def lines(self) -> NDArray[np.int64]:
        """Number of each line."""
        return np.arange(self.first, self.first + self.height) if self.numbers is None else self.numbers


def sound_blocks(blocks: Iterator[bytes], file: str, rejects: Rejects) -> Iterator[Block]:
    """Numbers the lines, and sets aside those that are not UTF-8 or hold a NUL."""
    first = 1
    for data in blocks:
        block = Block(data, first, data.count(b"\n"))
        first += block.height
        yield block if _is_text(data) else _sound(block, file, rejects)


def set_aside(
    block: Block, places: NDArray[np.int64], file: str, reason: str, rejects: Rejects, shown: Callable[[str], str] = str
) -> Block:
    """Takes lines out of a block and rejects them; blank ones are only taken out.

    Args:
        block: The block.
        places: Which lines, counted from 0.
        file: The file's name.
        reason: What is wrong with them.
        rejects: Where they go.
        shown: How a line is written there.

    Returns:
        The rest.
    """
    lines = _split(block.data)
    dropped = [shown(lines[place].decode("utf-8", "replace").rstrip("\n")) for place in places]
    numbers = block.lines()
    told = [(number, line) for number, line in zip(numbers[places].tolist(), dropped, strict=True) if line.strip()]
    rejects.add(file, [number for number, _ in told], reason, [line for _, line in told])
    keep = np.ones(block.height, dtype=bool)
    keep[places] = False
    rest = b"".join([line for line, kept in zip(lines, keep.tolist(), strict=True) if kept])
    kept_numbers = numbers[keep]
    first = int(kept_numbers[0]) if len(kept_numbers) else block.first
    return Block(rest, first, int(keep.sum()), kept_numbers)


def _split(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data[:-1].split(b"\n")]


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _sound(block: Block, file: str, rejects: Rejects) -> Block:
    bad = np.array([place for place, line in enumerate(_split(block.data)) if not _is_text(line)], dtype=np.int64)
    return set_aside(block, bad, file, _NOT_TEXT, rejects)
