"""A fitted alignment: one affine map a language, as a folder of `alignment.json` and `maps.safetensors`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.data.files import file_hash, replacing
from recbole_xlrec.errors import DataError, sample
from recbole_xlrec.text.align.views import Lexicon
from recbole_xlrec.text.encoders.base import Fingerprint
from recbole_xlrec.text.encoders.ngram import NgramEncoder

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
ALIGNMENT, MAPS = "alignment.json", "maps.safetensors"
_REMEDY = "Fit it again with recbole-xlrec align."
_KEYS = {"format_version", "method", "encoder", "pivot", "languages", "lexical", "maps_sha256"}


class LanguageMap(NamedTuple):
    """The map of one language, x → x @ map - offset.

    Attributes:
        map: float32 (width, out).
        offset: float32 (out,).
        lexicon: The n-grams that the map starts from; None where it starts from the encoder's vectors.
    """

    map: NDArray[np.float32]
    offset: NDArray[np.float32]
    lexicon: Lexicon | None = None


@dataclass(frozen=True, eq=False)
class Alignment:
    """Maps on top of one frozen encoder.

    Attributes:
        encoder: The fingerprint of that encoder.
        method: How the maps were fitted.
        pivot: Its map serves the languages that have none.
        maps: One a language.
        report: Settings of the fit, and retrieval before and after; plain values.
    """

    encoder: Fingerprint
    method: str
    pivot: str
    maps: dict[str, LanguageMap]
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def lexical(self) -> bool:
        """Whether the maps start from n-grams rather than from the encoder's vectors."""
        return self.maps[self.pivot].lexicon is not None

    @property
    def width(self) -> int:
        """Width of the aligned vectors."""
        return len(self.maps[self.pivot].offset)

    @cached_property
    def sha256(self) -> str:
        """Changes with anything that changes an aligned vector."""
        digest = hashlib.sha256(json.dumps([self.pivot, sorted(self.maps)]).encode())
        for name, tensor in sorted(_tensors(self.maps).items()):
            digest.update(f"{name}{tensor.dtype}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor).tobytes())
        return digest.hexdigest()

    def language_of(self, tag: str) -> str:
        """The language whose map serves `tag`: its own, its base's (`pt` for `pt-BR`), or else the pivot."""
        subtags = tag.split("-")
        names = ["-".join(subtags[:length]) for length in range(len(subtags), 0, -1)]
        return next((name for name in names if name in self.maps), self.pivot)

    def apply(self, vectors: NDArray[Any], language: str) -> NDArray[np.float32]:
        """Maps the encoder's vectors of one language, (n, width), to length 1, (n, out); zero stays zero."""
        return _unit(vectors, self.maps[self.language_of(language)])

    def apply_texts(self, texts: Sequence[str], language: str) -> NDArray[np.float32]:
        """Maps the n-grams of texts of one language, to length 1, (n, out); 0 where a text has none that is known."""
        tag = self.language_of(language)
        return _unit(self._lexical_encoders[tag].encode_sparse(texts), self.maps[tag])

    @cached_property
    def _lexical_encoders(self) -> dict[str, NgramEncoder]:
        found = {}
        for tag, mapped in self.maps.items():
            if mapped.lexicon is None:
                raise DataError(f"alignment: the map of {tag} starts from vectors, not from n-grams. {_REMEDY}")
            found[tag] = NgramEncoder(int(str(self.encoder["min_n"])), int(str(self.encoder["max_n"])))
            found[tag].restore(*mapped.lexicon)
        return found

    def save(self, folder: str | Path) -> None:
        """Writes the folder; the description comes last and names the maps' hash, so that a half is never read."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        with replacing(folder / MAPS) as partial:
            save_file(_tensors(self.maps), partial)
        described = {
            "format_version": FORMAT_VERSION,
            "method": self.method,
            "encoder": self.encoder,
            "pivot": self.pivot,
            "languages": sorted(self.maps),
            "lexical": self.lexical,
            "maps_sha256": file_hash(folder / MAPS),
            "report": self.report,
        }
        with replacing(folder / ALIGNMENT) as partial:
            partial.write_text(json.dumps(described, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_alignment(folder: str | Path) -> Alignment:
    """Reads what `Alignment.save` wrote.

    Raises:
        DataError: The folder, or one of its files, is missing, broken or of another fit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder).expanduser()
    described = _described(folder / ALIGNMENT)
    if file_hash(folder / MAPS) != described["maps_sha256"]:
        raise DataError(f"{folder / MAPS}: not the maps that {ALIGNMENT} describes (its hash differs). {_REMEDY}")
    try:
        tensors = load_file(folder / MAPS)
        maps = {tag: _read_map(tensors, tag, described["lexical"]) for tag in described["languages"]}
    except (SafetensorError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / MAPS}: cannot be read ({error}). {_REMEDY}") from error
    return Alignment(described["encoder"], described["method"], described["pivot"], maps, described.get("report", {}))


def _described(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: no alignment can be read ({error}). {_REMEDY}") from error
    missing = _KEYS - set(described) if isinstance(described, dict) else _KEYS
    if missing or described["format_version"] != FORMAT_VERSION or described["pivot"] not in described["languages"]:
        found = f"{sample(sorted(missing))} not noted" if missing else "another format, or its pivot has no map"
        raise DataError(f"{path}: {found}. {_REMEDY}")
    return dict(described)


def _tensors(maps: Mapping[str, LanguageMap]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for tag, (matrix, offset, lexicon) in maps.items():
        found[f"{tag}.map"], found[f"{tag}.offset"] = np.ascontiguousarray(matrix), np.ascontiguousarray(offset)
        if lexicon is not None:
            # No n-gram holds a line break. As bytes, so that the JSON file stays readable.
            found[f"{tag}.ngrams"] = np.frombuffer("\n".join(lexicon.ngrams).encode("utf-8"), dtype=np.uint8)
            found[f"{tag}.weights"] = np.ascontiguousarray(lexicon.weights)
    return found


def _read_map(tensors: Mapping[str, NDArray[Any]], tag: str, lexical: bool) -> LanguageMap:
    lexicon = None
    if lexical:
        ngrams = tensors[f"{tag}.ngrams"].tobytes().decode("utf-8").split("\n")
        lexicon = Lexicon(ngrams, tensors[f"{tag}.weights"])
    return LanguageMap(tensors[f"{tag}.map"], tensors[f"{tag}.offset"], lexicon)


def _unit(rows: Any, mapped: LanguageMap) -> NDArray[np.float32]:
    """Maps rows, dense or sparse, to length 1; rows of zeros stay zero."""
    filled = np.asarray(abs(rows).sum(axis=1)).ravel() > 0
    moved = np.asarray(rows @ mapped.map, dtype=np.float32) - mapped.offset  # (n, out)
    moved[~filled] = 0
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.divide(moved, lengths, out=np.zeros_like(moved), where=lengths > 0)
