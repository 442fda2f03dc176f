"""An encoder with an alignment on top: the language of each text decides which map it goes through."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recbole_xlrec.errors import ConfigError, sample
from recbole_xlrec.text.align.alignment import Alignment, load_alignment
from recbole_xlrec.text.encoders.base import Fingerprint, TextEncoder

logger = logging.getLogger(__name__)

#: Between language and text. White space, so that no rendered text holds it.
_BETWEEN = "\x1f"


def with_language(language: str, text: str) -> str:
    """Marks a text with its language, for `AlignedEncoder`; an empty one stays empty."""
    return f"{language}{_BETWEEN}{text}" if text.strip() else ""


class AlignedEncoder:
    """Encodes texts that `with_language` has marked, and maps them to the space that the languages share.

    Args:
        base: The frozen encoder.
        alignment: Fitted on vectors of the same encoder.
        where: Folder of the alignment, for messages.

    Raises:
        ConfigError: The alignment was fitted on another encoder.
    """

    def __init__(self, base: TextEncoder, alignment: Alignment, where: str | Path) -> None:
        self.base, self.alignment = base, alignment
        _check_base(base.fingerprint(), alignment.encoder, where)

    def fit(self, texts: Sequence[str]) -> None:
        """Learns nothing, what the encoder learned is part of the alignment; a neural encoder warns of odd texts."""
        if not self.alignment.lexical:
            self.base.fit([text.partition(_BETWEEN)[2] for text in texts])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns aligned vectors of length 1, (n, out), zero where a text is empty."""
        marked = [text.partition(_BETWEEN) for text in texts]
        languages = np.array([language for language, _, _ in marked])
        plain = [text for _, _, text in marked]
        self._warn(languages)
        vectors = None if self.alignment.lexical else self.base.encode(plain)
        out = np.zeros((len(texts), self.alignment.width), dtype=np.float32)
        for language in np.unique(languages):
            rows = np.flatnonzero(languages == language)
            if vectors is None:
                out[rows] = self.alignment.apply_texts([plain[row] for row in rows], str(language))
            else:
                out[rows] = self.alignment.apply(vectors[rows], str(language))
        return out

    def fingerprint(self) -> Fingerprint:
        """Returns the base's fingerprint with the hash of the maps."""
        return {**self.base.fingerprint(), "alignment": self.alignment.sha256}

    def _warn(self, languages: NDArray[np.str_]) -> None:
        maps, pivot = self.alignment.maps, self.alignment.pivot
        found = [str(tag) for tag in np.unique(languages) if tag and self.alignment.language_of(str(tag)) == pivot]
        without = [tag for tag in found if tag.split("-")[0] not in maps]
        if without:
            logger.warning(
                "the alignment has no map for %s: their texts take that of %s, which does not bring them together",
                sample(without),
                pivot,
            )


def aligned_encoder(base: TextEncoder, folder: str | Path) -> AlignedEncoder:
    """Puts a saved alignment on top of an encoder.

    Raises:
        ConfigError: It was fitted on another encoder.
        DataError: It cannot be read.
    """
    return AlignedEncoder(base, load_alignment(folder), folder)


def _check_base(found: Fingerprint, fitted: Fingerprint, where: str | Path) -> None:
    differing = [name for name in sorted({*found, *fitted}) if found.get(name) != fitted.get(name)]
    if differing:
        shown = "; ".join(f"{name}: {fitted.get(name)!r} there, {found.get(name)!r} here" for name in differing[:4])
        raise ConfigError(
            f"alignment {where} was fitted on another encoder ({shown}). Use that one with the same prompt, or fit it "
            "again with recbole-xlrec align."
        )
