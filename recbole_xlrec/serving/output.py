"""Lists written batch by batch: a table for people, JSON lines, CSV or Parquet for programs."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recbole_xlrec.data.files import replacing
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.serving.catalogue import Catalogue
from recbole_xlrec.serving.objects import objects
from recbole_xlrec.serving.queries import Reason, Recommendations

Format = Literal["table", "jsonl", "csv", "parquet"]
_SUFFIXES: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
#: Columns of CSV and Parquet; one row an item, and one without rank and item for a list that is empty.
COLUMNS = ("query_id", "rank", "item_id", "score", "title", "language", "source", "note", "because")


class Writer(ABC):
    """Takes lists batch by batch.

    Args:
        catalogue: Titles and languages of the items.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @abstractmethod
    def write(self, part: Recommendations) -> None:
        """Writes the lists of a batch."""

    def rows(self, part: Recommendations) -> Iterator[tuple[Any, ...]]:
        """One row an item, in the order of `COLUMNS`."""
        for found in objects(self.catalogue, part):
            told = (found["source"], found["note"])
            if not found["items"]:
                yield (found["query_id"], None, "", None, "", "", *told, "")
            for rank, item in enumerate(found["items"], start=1):
                because = json.dumps(item["because"], ensure_ascii=False) if "because" in item else ""
                shown = (item["item_id"], item["score"], item["title"], item["language"])
                yield (found["query_id"], rank, *shown, *told, because)


class JsonLines(Writer):
    """One JSON object a query.

    Args:
        catalogue: See `Writer`.
        handle: Where to.
    """

    def __init__(self, catalogue: Catalogue, handle: TextIO) -> None:
        super().__init__(catalogue)
        self.handle = handle

    def write(self, part: Recommendations) -> None:
        """See `Writer`."""
        self.handle.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in objects(self.catalogue, part))


class Csv(Writer):
    """One row an item.

    Args:
        catalogue: See `Writer`.
        handle: Where to.
    """

    def __init__(self, catalogue: Catalogue, handle: TextIO) -> None:
        super().__init__(catalogue)
        self.lines = csv.writer(handle, lineterminator="\n")
        self.lines.writerow(COLUMNS)

    def write(self, part: Recommendations) -> None:
        """See `Writer`."""
        self.lines.writerows(self.rows(part))


class Parquet(Writer):
    """One row an item; batches are files of their own until the end, so that memory does not grow.

    Args:
        catalogue: See `Writer`.
        folder: For the files of the batches.
    """

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        super().__init__(catalogue)
        self.folder, self.parts = folder, 0

    def write(self, part: Recommendations) -> None:
        """See `Writer`."""
        self._frame(list(self.rows(part))).write_parquet(self.folder / f"{self.parts:08}.parquet")
        self.parts += 1

    def finish(self, path: Path) -> None:
        """Puts the batches into one file."""
        import polars as pl

        if not self.parts:
            self._frame([]).write_parquet(path)
            return
        pl.scan_parquet(self.folder / "*.parquet").sink_parquet(path)

    def _frame(self, rows: list[tuple[Any, ...]]) -> Any:
        import polars as pl

        schema = dict.fromkeys(COLUMNS, pl.String) | {"rank": pl.Int32, "score": pl.Float32}
        return pl.DataFrame(rows, schema=schema, orient="row")


class Tables(Writer):
    """A table a query, for a terminal.

    Args:
        catalogue: See `Writer`.
        console: Where to.
    """

    def __init__(self, catalogue: Catalogue, console: Console) -> None:
        super().__init__(catalogue)
        self.console = console

    def write(self, part: Recommendations) -> None:
        """See `Writer`."""
        for row, found in enumerate(objects(self.catalogue, part)):
            title, note = Text(found["query_id"]), Text(found["note"])  # which hold no markup, whatever is in them
            table = Table(title=title, title_justify="left", caption=note, caption_justify="left")
            for name in ("", "item", "title", "language", found["source"]):
                table.add_column(name, justify="right" if name in ("", found["source"]) else "left", overflow="fold")
            if part.reasons is not None:
                table.add_column("because", overflow="fold")
            for rank, item in enumerate(found["items"]):
                why = [] if part.reasons is None else [_sentence(part.reasons[row][rank])]
                shown = (item["item_id"], item["title"], item["language"], f"{item['score']:.4g}")
                table.add_row(str(rank + 1), *map(Text, (*shown, *why)))
            self.console.print(table)


def _sentence(reasons: list[Reason]) -> str:
    return "; ".join(f"{reason.text or reason.item_id} ({reason.share:+.3g})" for reason in reasons)


def output_format(output: Path | None, named: Format | None) -> Format:
    """The format of an output: as named, as the file's name says, or a table.

    Raises:
        ConfigError: If none can be told, or a table is to go to a file or Parquet to the terminal.
    """
    if output is None:
        if named == "parquet":
            raise ConfigError("--format parquet needs a file: --output lists.parquet")
        return named or "table"
    found = named or _SUFFIXES.get(output.suffix.lower())
    if found is None or found == "table":
        raise ConfigError(
            f"{output}: its name does not end in {', '.join(_SUFFIXES)}; say --format jsonl, csv or parquet"
        )
    return found


@contextmanager
def writer(catalogue: Catalogue, output: Path | None, kind: Format) -> Iterator[Writer]:
    """What writes lists to a file, which is there whole or not at all, or to standard output."""
    if output is None:
        handle = sys.stdout
        yield (
            Tables(catalogue, Console())
            if kind == "table"
            else (JsonLines if kind == "jsonl" else Csv)(catalogue, handle)
        )
        return
    with replacing(output) as partial:
        if kind == "parquet":
            with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
                parquet = Parquet(catalogue, Path(folder))
                yield parquet
                parquet.finish(partial)
            return
        with partial.open("w", encoding="utf-8", newline="") as opened:
            yield (JsonLines if kind == "jsonl" else Csv)(catalogue, opened)
