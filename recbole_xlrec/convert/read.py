"""What a source's parser reads with: raw files in, batches of rows out, broken rows set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path

import polars as pl

from recbole_xlrec.convert import delimited, jsonl, quoted
from recbole_xlrec.convert.base import LINE, Batch
from recbole_xlrec.convert.raw import RawFile, RawFolder, opened, read_blocks
from recbole_xlrec.convert.rejects import Deaf, Rejects
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.data.tables import require_columns
from recbole_xlrec.errors import ConfigError, DataError

_ROWS = 200_000
_COPY = 1 << 22


class Reader:
    """Reads the raw files of one conversion.

    Args:
        folder: The raw files.
        rejects: Where broken rows go.
        settings: What the user set by `--option`.
        encoding: Encoding of text files; each file's usual one if empty.
        work: A folder for temporary files.
        progress: Told a file and how many of its bytes have been read.
        negatives: Whether items that were shown and not chosen are wanted.
        detect: Whether languages are detected from texts.
    """

    def __init__(
        self,
        folder: RawFolder,
        rejects: Rejects,
        settings: Mapping[str, str],
        encoding: str,
        work: Path,
        progress: Callable[[RawFile, int], None],
        negatives: bool = False,
        detect: bool = False,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.negatives = negatives
        self.detect = detect
        self.used: list[RawFile] = []
        self._rejects = rejects
        self._encoding = encoding
        self._work = work
        self._progress = progress

    def again(self) -> Reader:
        """A reader for one more pass over files whose broken rows another pass sets aside."""
        other = copy(self)
        other._rejects = Deaf()
        return other

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Returns a setting that is one of a few words.

        Raises:
            ConfigError: It is another word.
        """
        value = self.settings.get(name, default)
        if value not in allowed:
            hint = did_you_mean(value, allowed)
            raise ConfigError(f"--option {name}={value}: choose one of {', '.join(allowed)}.{hint}")
        return value

    def delimited(
        self,
        file: RawFile,
        names: Sequence[str],
        separator: str,
        header: bool,
        width: int | None = None,
        encoding: str = "utf-8",
    ) -> Iterator[Batch]:
        """Reads a table whose cells are never quoted.

        Args:
            file: The file.
            names: The columns wanted; without a header, the names of the first columns.
            separator: What stands between cells; one or two characters.
            header: Whether the first line names the columns, which may then be in any order.
            width: How many columns there are, where there is no header and more than `names`.
            encoding: How the file is usually written.

        Yields:
            Text columns `names`, where an empty cell is null, and `LINE`.
        """
        form = delimited.Form(tuple(names), separator, header, width or len(names))
        return delimited.read(self._opened(file, encoding), file.name, form, self._rejects)

    def quoted(
        self,
        file: RawFile,
        names: Sequence[str],
        separator: str = ",",
        escape: str | None = None,
        encoding: str = "utf-8",
    ) -> Iterator[Batch]:
        """Reads a table with a header whose cells may be quoted and then hold separators and line ends.

        Args:
            file: The file.
            names: The columns wanted.
            separator: What stands between cells.
            escape: A character that takes the meaning from a quote after it.
            encoding: How the file is usually written.

        Yields:
            Text columns `names`, where an empty cell is null, and `LINE`.
        """
        return quoted.read(self._opened(file, encoding), file.name, names, separator, escape, self._rejects)

    def json_lines(self, file: RawFile, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> Iterator[Batch]:
        """Reads one JSON object a line; keys that a line lacks, or whose value is of another type, are null."""
        return jsonl.read(self._opened(file, "utf-8"), file.name, schema, self._rejects)

    def parquet(self, file: RawFile, names: Sequence[str]) -> Iterator[Batch]:
        """Reads columns of a Parquet file in their own types; `LINE` counts its rows.

        Raises:
            DataError: The file is not sound, or lacks a column.
        """
        self.used.append(file)
        path = self._local(file)
        try:
            frame = pl.scan_parquet(path)
            require_columns(frame.collect_schema().names(), names, file.name)
            rows = frame.select(names).with_row_index(LINE, 1)
            for part in rows.collect_batches(chunk_size=_ROWS, maintain_order=True):
                self._rejects.seen(file.name, part.height)
                yield Batch(file.name, part)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{file.name} is no sound Parquet file: {error}. Download it again.") from error
        self._progress(file, file.size)

    def reject(self, batch: Batch, bad: pl.Expr, reason: str) -> Batch:
        """Sets the rows aside for which `bad` holds, and returns the others."""
        wrong = batch.frame.select(bad.fill_null(False)).to_series().to_numpy()
        return batch.filter(pl.lit(pl.Series(~self._rejects.judge(batch, {reason: wrong}))))

    def own_table(self, path: str, names: Sequence[str]) -> Iterator[Batch]:
        """Reads a table that the user brings along: CSV, or TSV by its ending, with a header."""
        file = self.own_files(path).one("*")
        return self.quoted(file, names, "\t" if file.name.removesuffix(".gz").endswith(".tsv") else ",")

    def own_files(self, path: str) -> RawFolder:
        """A folder or file that the user names by an option; a relative path may also begin at the input folder."""
        below = self.folder.root / path
        return RawFolder(below if below.exists() else Path(path), "--option ...=")

    def _opened(self, file: RawFile, encoding: str) -> Iterator[bytes]:
        self.used.append(file)
        return read_blocks(file, self._encoding or encoding, lambda count: self._progress(file, count))

    def _local(self, file: RawFile) -> Path:
        """A path that polars can open: Parquet inside a zip is unpacked first."""
        if file.member is None:
            return file.path
        target = self._work / f"unpacked-{len(self.used)}.parquet"
        with opened(file) as source, target.open("xb") as handle:
            while block := source.read(_COPY):
                handle.write(block)
        return target
