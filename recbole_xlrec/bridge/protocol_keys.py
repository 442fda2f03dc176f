"""The keys of the protocols, and whether they fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_xlrec.errors import ConfigError, sample

PROTOCOLS = ("joint", "single", "zero_shot", "few_shot", "cold_item", "bilingual")
#: The protocols that name languages of users, or of items.
_BY_LANGUAGE = ("single", "zero_shot", "few_shot")


def hides_items(config: Mapping[str, Any] | Any) -> bool:
    """Whether a protocol keeps items out."""
    protocol, side = config["protocol"], config["protocol_by"]
    return protocol == "cold_item" or (protocol == "zero_shot" and side == "items")


def protocol_languages(config: Mapping[str, Any] | Any) -> list[str]:
    """The languages of the protocol, none where it has none."""
    named = config["protocol_language"]
    return [named] if isinstance(named, str) else list(named or [])


def check_protocol(values: Mapping[str, Any]) -> None:
    """Refuses protocol keys that do not fit each other.

    Raises:
        ConfigError: Says which, and what to write.
    """
    protocol, languages = values["protocol"], protocol_languages(values)
    if protocol == "bilingual" and len(languages) < 2:
        raise ConfigError(
            "protocol: bilingual needs two or more languages, as in protocol_language: [en, de]; found "
            f"{sample(languages) or 'none'}"
        )
    if protocol in _BY_LANGUAGE and not languages:
        raise ConfigError(f"protocol: {protocol} needs protocol_language, a language or a list of languages")
    if protocol not in (*_BY_LANGUAGE, "bilingual") and values["protocol_language"] is not None:
        raise ConfigError(
            f"protocol: {protocol} has no protocol_language; {', '.join(_BY_LANGUAGE)} have one, bilingual has several"
        )
    if protocol == "single" and len(languages) > 1:
        raise ConfigError(f"protocol: single has one protocol_language, found {', '.join(languages)}")
    if protocol in ("single", "few_shot", "bilingual") and values["protocol_by"] == "items":
        raise ConfigError(f"protocol: {protocol} goes by users; protocol_by: items is for zero_shot. Leave it out")
    if values["candidates"] == "cold" and not hides_items(values):
        raise ConfigError(
            "candidates: cold ranks the items that the protocol keeps out: take protocol: cold_item, or zero_shot with "
            f"protocol_by: items; found protocol: {protocol} by {values['protocol_by']}"
        )
    _check_amounts(values["few_shot_users"], values["cold_share"])
    _check_share(values["protocol_share"])


def _check_amounts(users: object, share: object) -> None:
    number = isinstance(users, int) and not isinstance(users, bool) and users >= 1
    if not number and not (isinstance(users, float) and 0 < users < 1):
        raise ConfigError(
            f"few_shot_users is a number of users, 1 or more, or a share between 0 and 1; found {users!r}"
        )
    if not isinstance(share, float) or not 0 < share < 1:
        raise ConfigError(f"cold_share is a share of the items, between 0 and 1; found {share!r}")


def _check_share(share: object) -> None:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ConfigError(
            "protocol_share is the chance that an interaction is in the second language of protocol_language, from 0 "
            f"to 1; found {share!r}"
        )
