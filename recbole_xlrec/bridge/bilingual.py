"""Protocol bilingual: readers of several languages, as simulated on xMIND (Iana, Glavaš, Paulheim 2024).

A coin for each interaction decides in which language an item with parallel texts was read. The dataset of editions that
this makes lies beside the original, in `.bilingual/<key>/`; models, splits and vectors work on it as on any other. The
interactions are in a folder of their own within it, so that items, texts and vectors are made once for all seeds.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

from recbole_xlrec.bridge.protocol_keys import protocol_languages
from recbole_xlrec.bridge.run_folder import data_hashes
from recbole_xlrec.data.derived import made_once
from recbole_xlrec.data.edition_files import Fields, write_editions, write_interactions
from recbole_xlrec.data.editions import read_editions
from recbole_xlrec.errors import ConfigError

logger = logging.getLogger(__name__)

FOLDER = ".bilingual"
#: Changes whenever the same files, languages and seed give other editions or other coins.
FORMAT_VERSION = 1


class Bilingual(NamedTuple):
    """A dataset of editions.

    Attributes:
        folder: Its items, texts, users and links.
        inter_folder: Its interactions.
    """

    folder: Path
    inter_folder: Path


def bilingual(config: Any) -> Bilingual:
    """The dataset of editions that a configuration asks for, made on first use.

    Raises:
        ConfigError: If the interactions hold histories of items.
        DataError: If the dataset has no parallel texts in the languages, or is one of editions already.
    """
    source, name, languages = Path(config["data_path"]), config["dataset"], protocol_languages(config)
    if alias := config["alias_of_item_id"]:
        raise ConfigError(
            f"protocol: bilingual takes one item an interaction, and alias_of_item_id: {alias} names columns of more. "
            "Leave it out; RecBole makes histories of single interactions itself"
        )
    fields, more = _fields(config), list(config["additional_feat_suffix"] or ())
    made_of = {"version": FORMAT_VERSION, "files": data_hashes(source, name, more), "languages": languages}
    made_of |= {"fields": list(fields), "more": more}
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    folder = source / FOLDER / key

    def editions(target: Path) -> dict[str, Any]:
        return write_editions(source, name, read_editions(source, name, fields.item, languages), fields, more, target)

    counts = made_once(folder, made_of, editions)
    share, seed = float(config["protocol_share"]), config["seed"]

    def interactions(target: Path) -> dict[str, Any]:
        return write_interactions(source, name, folder, languages, fields, share, seed, target)

    inter_folder = folder / f"{share}-{seed}"
    counts |= made_once(inter_folder, {**made_of, "share": share, "seed": seed}, interactions)
    _log(languages, counts)
    return Bilingual(folder, inter_folder)


def _fields(config: Any) -> Fields:
    names = ("USER_ID", "ITEM_ID", "TIME", "HEAD_ENTITY_ID", "TAIL_ENTITY_ID", "ENTITY_ID")
    return Fields(*(config[f"{name}_FIELD"] for name in names))


def _log(languages: list[str], counts: dict[str, Any]) -> None:
    items = [f"{count} in {number}" for number, count in counts["items"].items()]
    logger.info(
        "protocol: bilingual: items by how many of %s they have texts in: %s (each of the others keeps the language it "
        "has); %d editions; interactions by language: %s",
        ", ".join(languages),
        ", ".join(items),
        counts["editions"],
        ", ".join(f"{language} {count}" for language, count in counts["interactions"].items()),
    )
