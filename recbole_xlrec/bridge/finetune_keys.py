"""The keys of fine-tuning, checked when a configuration is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recbole_xlrec.errors import ConfigError


def check_finetune(values: Mapping[str, Any]) -> None:
    """Refuses fine-tuning keys that do not fit each other.

    Raises:
        ConfigError: Says which, and what to write.
    """
    if (values["finetune_from"] is None) != (not values["finetune_language"]):
        raise ConfigError(
            "finetune_from (the folder of a finished run) and finetune_language (a language or a list of languages) go "
            "together; give both or none"
        )
    rate, patterns = values["finetune_rate"], values["finetune_freeze"]
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < float("inf"):
        raise ConfigError(f"finetune_rate is a factor of learning_rate, above 0; found {rate!r}")
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise ConfigError(f"finetune_freeze is a list, as [item_embedding, 'blocks\\.0']; found {patterns!r}")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"finetune_freeze: {pattern!r} is no regular expression: {error}") from error
