"""What items are called, from the text table of their dataset where it is still there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from recbole_xlrec.bridge.bilingual import FOLDER as BILINGUAL
from recbole_xlrec.data.atomic import read_atomic, read_header
from recbole_xlrec.data.columns import ITEM, ITEM_ID, LANGUAGE, TEXT, TITLE, WORK_ID
from recbole_xlrec.evaluation.report.structure import Run, Title

_LONGEST = 80  # characters of a title
_MOST_LANGUAGES = 3
_FIRST = "en"  # of other languages, the one that most readers know


def data_folders(run: Run, data_path: Path | None) -> Iterator[Path]:
    """Where the dataset of a run may be: as named, as the run had it, or beside its run_path if both were moved."""
    if data_path is not None:
        yield data_path / run.dataset
        return
    written = Path(str(run.config.get("data_path") or run.dataset))
    yield written
    above = len(Path(str(run.config.get("run_path") or "runs")).parts) + 2  # <run_path>/<dataset>/<model>/<name>
    parents = run.folder.resolve().parents
    if not written.is_absolute() and above < len(parents):
        yield parents[above] / written


def data_folder(run: Run, data_path: Path | None) -> Path | None:
    """The first of `data_folders` that is there."""
    return next((folder for folder in data_folders(run, data_path) if folder.is_dir()), None)


def read_titles(folder: Path, dataset: str, items: Collection[str]) -> dict[str, Title]:
    """The titles of some items; an item without any is not in it.

    Items that are editions of one work lend each other their titles.

    Args:
        folder: The dataset's.
        dataset: Its name.
        items: Their ids.

    Raises:
        DataError: If a table cannot be read.
    """
    for place in (folder, *sorted((folder / BILINGUAL).glob("*"))):
        path = place / f"{dataset}.{TEXT}"
        if path.is_file() and (found := _read(path, place / f"{dataset}.{ITEM}", items)):
            return found
    return {}


def _read(path: Path, item_path: Path, items: Collection[str]) -> dict[str, Title]:
    header = read_header(path)
    field = TITLE if TITLE in header else next((name for name in header if name not in (ITEM_ID, LANGUAGE)), None)
    if field is None or ITEM_ID not in header or LANGUAGE not in header:
        return {}
    works, languages = (_column(item_path, name) for name in (WORK_ID, LANGUAGE))
    wanted = {works.get(item, item) for item in items}
    table = read_atomic(path, [ITEM_ID, LANGUAGE, field])
    table["work"] = table[ITEM_ID].map(works).fillna(table[ITEM_ID])
    table = table[table["work"].isin(list(wanted)) & (table[field].str.strip() != "")]
    found: dict[str, list[tuple[str, str, str]]] = {}
    for work, item, language, title in table[["work", ITEM_ID, LANGUAGE, field]].itertuples(index=False):
        found.setdefault(work, []).append((item, language, title))
    named = {item: found[works.get(item, item)] for item in items if works.get(item, item) in found}
    return {item: _title(item, languages.get(item, ""), rows) for item, rows in named.items()}


def _column(path: Path, name: str) -> Mapping[str, str]:
    """Item → what the item table says of it; nothing where it does not."""
    if not path.is_file() or not {ITEM_ID, name} <= set(read_header(path)):
        return {}
    table = read_atomic(path, [ITEM_ID, name])
    return dict(zip(table[ITEM_ID], table[name], strict=True))


def _title(item: str, own: str, rows: list[tuple[str, str, str]]) -> Title:
    """The item's own language first, then its other texts, then those of its other editions; all different."""
    ordered = sorted(rows, key=lambda row: (row[1] != own, row[0] != item, row[1] != _FIRST, row[1]))
    texts: dict[str, str] = {}
    for _, language, title in ordered:
        if language not in texts and title not in texts.values():
            texts[language] = title if len(title) <= _LONGEST else f"{title[: _LONGEST - 1]}…"
    return Title(item, tuple(texts.items())[:_MOST_LANGUAGES])
