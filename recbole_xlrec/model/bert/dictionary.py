"""Bilingual dictionaries: a word and its translation a line, as MUSE has them (Lample et al., ICLR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_xlrec.data.files import existing_file
from recbole_xlrec.errors import DataError


def read_dictionary(paths: str | Sequence[str]) -> dict[str, list[str]]:
    """Reads dictionaries into one: lower-case words and their translations, in the order of the lines.

    Between word and translation stands a tab, or one or more blanks where the line has no tab; with a tab, either may
    be of several words, of which the first column's are never found in texts. Empty lines are left out.

    Raises:
        DataError: A file is missing, not UTF-8, empty, or has lines that are not two words.
    """
    found: dict[str, list[str]] = {}
    for path in [paths] if isinstance(paths, str) else paths:
        for word, translation in _pairs(existing_file(Path(path).expanduser())):
            known = found.setdefault(word.casefold(), [])
            if translation not in known:
                known.append(translation)
    return found


def _pairs(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"bilingual_dictionary {path}: not UTF-8 ({error}). Write it anew in UTF-8") from error
    pairs: list[tuple[str, str]] = []
    broken: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        words = [word.strip() for word in line.split("\t")] if "\t" in line else line.split()
        if len(words) == 2 and all(words):
            pairs.append((words[0], words[1]))
        else:
            broken.append(f"line {number}: {line!r}")
    if broken:
        shown = "; ".join(broken[:5]) + ("; …" if len(broken) > 5 else "")
        raise DataError(
            f"bilingual_dictionary {path}: {len(broken)} of {len(lines)} lines are not a word and its translation with "
            f"a tab or a blank between them: {shown}. Correct or remove them"
        )
    if not pairs:
        raise DataError(f"bilingual_dictionary {path} has no line. Name a file with a word and its translation a line")
    return pairs
