"""The versions of a dataset's item texts that the keys ask for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from recbole_xlrec.data.atomic import read_header
from recbole_xlrec.data.columns import ITEM, TEXT
from recbole_xlrec.errors import ConfigError
from recbole_xlrec.model.bert.augment import Variants, code_switched, without_fields
from recbole_xlrec.model.bert.back_translation import back_translated
from recbole_xlrec.model.bert.dictionary import read_dictionary
from recbole_xlrec.model.bert.options import Augmentation
from recbole_xlrec.text.catalogue import catalogue_texts
from recbole_xlrec.text.options import Template
from recbole_xlrec.text.template import default_template

logger = logging.getLogger(__name__)


def item_versions(texts: Sequence[str], chosen: Augmentation, dataset: Any, config: Any) -> list[Variants]:
    """Makes the versions of all item texts.

    Args:
        texts: (items,) by internal id, '' for those that training may not see.
        chosen: The keys of augmentation.
        dataset: The training part.
        config: `text_template`, `text_languages`, `seed`, `device`.

    Raises:
        ConfigError: A key asks for what there is not.
        DataError: A dictionary is broken, or a translation is not as long as what was translated.
        EncoderError: A translation model cannot be loaded.
    """
    found = []
    if chosen.field_dropout:
        found.append(Variants.of(chosen.field_dropout, texts, _fewer_fields(texts, dataset, config)))
    if chosen.code_switch and chosen.bilingual_dictionary is not None:
        words = read_dictionary(chosen.bilingual_dictionary)
        share, count = chosen.code_switch_words, chosen.augment_versions
        found.append(Variants.of(chosen.code_switch, texts, code_switched(texts, words, share, count, config["seed"])))
        _warn_of_none(found[-1], texts, "bilingual_dictionary")
    if chosen.back_translation_share and chosen.back_translation is not None:
        different = sorted({text for text in texts if text})
        translated = back_translated(different, chosen.back_translation, config["device"])
        versions = {"": "", **dict(zip(different, translated, strict=True))}
        found.append(Variants.of(chosen.back_translation_share, texts, [[versions[text]] for text in texts]))
        _warn_of_none(found[-1], texts, "back_translation")
    return found


def _warn_of_none(variants: Variants, texts: Sequence[str], key: str) -> None:
    changed = sum(bool(versions) for versions in variants.versions)
    logger.info("%s changes %d of %d texts", key, changed, sum(map(bool, texts)))
    if not changed:
        logger.warning("%s changes none of the item texts", key)


def _fewer_fields(texts: Sequence[str], dataset: Any, config: Any) -> list[list[str]]:
    """(items,) the texts of each without one of its fields."""
    versions: list[list[str]] = [[] for _ in texts]
    for template in _templates(config["text_template"], dataset):
        ids, rendered = catalogue_texts(dataset.folder, dataset.dataset_name, template, config["text_languages"])
        by_id = dict(zip(ids, rendered, strict=True))
        for own, text, item in zip(versions, texts, dataset.item_ids, strict=True):
            own += [by_id.get(item, "")] if text else []
    return versions


def _templates(template: Template, dataset: Any) -> list[Template]:
    """Templates with one field less each."""
    if isinstance(template, Mapping):
        fewer = {tag: without_fields(text) for tag, text in template.items()}
        most = max(map(len, fewer.values()))
        found: list[Template] = [
            {tag: fewer[tag][place] if place < len(fewer[tag]) else template[tag] for tag in template}
            for place in range(most)
        ]
    else:
        found = list(without_fields(template or default_template(_columns(dataset))))
    if not found:
        raise ConfigError(f"field_dropout: the texts have one field only ({template or 'title'}). Set it to 0")
    return found


def _columns(dataset: Any) -> list[str]:
    """The columns that a template may name."""
    files = [dataset.folder / f"{dataset.dataset_name}.{suffix}" for suffix in (TEXT, ITEM)]
    return [column for path in files if path.is_file() for column in read_header(path)]
