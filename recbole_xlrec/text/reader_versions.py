"""A vector of each language that an item has a text in: users read it in their own language where it is there.

With `text_languages: all` and `text_versions: each`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_xlrec.data.columns import ITEM_ID, LANGUAGE, TEXT
from recbole_xlrec.text.catalogue import (
    RENDERED,
    EncoderOptions,
    encode_rows,
    refuse_file,
    rendered_rows,
    with_missing,
)
from recbole_xlrec.text.encoders.versions import version_id


def versions_by_reader(
    folder: Path,
    name: str,
    options: EncoderOptions,
    wanted: Sequence[str],
    readers: Sequence[str],
    whole: bool = True,
    show_progress: bool = False,
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The vectors of items as readers of several languages meet them; encoded on first use and kept on disk.

    Args:
        folder: The dataset's folder.
        name: The dataset's name.
        options: The encoder.
        wanted: Item ids.
        readers: Languages. Who finds no text in theirs reads the item's own, see `catalogue_texts`.
        whole: Whether an encoder that learns from texts learns from the whole catalogue, or from the wanted items only.
        show_progress: Shows a progress bar while encoding.

    Returns:
        (stored, width) vectors, memory-mapped where they can be; (readers, wanted) rows there, -1 for an item without
        text.

    Raises:
        ConfigError: For vectors made elsewhere, which have no languages.
        DataError: If items have no text and ``missing_text`` is not ``empty``.
        EncoderError: If the encoder cannot be loaded.
    """
    refuse_file(options, "text_versions: each")
    own = rendered_rows(folder, name, options.text_template, "own")
    with_missing(folder / f"{name}.{TEXT}", own[ITEM_ID].tolist(), own[RENDERED].tolist(), wanted, options.missing_text)
    rows = rendered_rows(folder, name, options.text_template, "all")
    stored = encode_rows(folder, rows if whole else rows[rows[ITEM_ID].isin(wanted)], options, show_progress)
    places = pd.Index(stored.ids)
    languages = dict(zip(own[ITEM_ID], own[LANGUAGE], strict=True))
    primary = places.get_indexer([version_id(item, languages.get(item, "")) for item in wanted])  # (wanted,)
    found = [places.get_indexer([version_id(item, reader) for item in wanted]) for reader in readers]
    return stored.matrix, np.stack([np.where(each >= 0, each, primary) for each in found])
