"""Reading a mapping key by key: kinds checked, keys that nobody takes refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import ConfigError

_T = TypeVar("_T")
_REQUIRED: Any = object()


class Fields:
    """The keys of one mapping of a YAML file.

    Args:
        values: The mapping.
        where: What errors call it.

    Raises:
        ConfigError: If it is no mapping of texts to values.
    """

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise ConfigError(f"{where} must hold `key: value`, found {values!r}")
        self._values, self._taken = dict(values), list[str]()
        self.where = where

    def take(self, key: str, kind: Callable[[Any], _T], default: Any = _REQUIRED) -> _T:
        """The value of a key, checked by `kind`; the default where it is missing or empty.

        Raises:
            ConfigError: If there is neither, or the value is not of its kind.
        """
        self._taken.append(key)
        value = self._values.get(key)
        if value is None:
            if default is _REQUIRED:
                self._refuse_unknown()  # a misspelled key is why this one is missing
                raise ConfigError(f"{self.where}: the key {key} is missing")
            return default  # type: ignore[no-any-return]
        try:
            return kind(value)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{self.where}: {key} must be {error}, found {value!r}") from error

    def parts(self, key: str, default: Any = _REQUIRED) -> list[Fields]:
        """The value of a key that holds a list of mappings, at least one."""
        found = self.take(key, _listed, default)
        return [Fields(part, f"{self.where}: {key}[{index}]") for index, part in enumerate(found)]

    def rest(self) -> dict[str, Any]:
        """The keys that have not been taken."""
        return {key: value for key, value in self._values.items() if key not in self._taken}

    def end(self) -> None:
        """Refuses what has not been taken.

        Raises:
            ConfigError: Naming the keys and the nearest known ones.
        """
        self._refuse_unknown(known_only=True)

    def _refuse_unknown(self, known_only: bool = False) -> None:
        for key in self.rest():
            near = did_you_mean(key, self._taken)
            if near or known_only:
                raise ConfigError(f"{self.where}: unknown key {key!r}.{near} There are {', '.join(self._taken)}")


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError("a text (put it in quotes)")
    return value


def texts(value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TypeError("a list of texts (put them in quotes)")
    return value


def integer(value: Any) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number")
    return value


def integers(value: Any) -> list[int]:
    """A list of whole numbers."""
    if not isinstance(value, list) or any(not isinstance(entry, int) or isinstance(entry, bool) for entry in value):
        raise TypeError("a list of whole numbers")
    return value


def number(value: Any) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number")
    return float(value)


def mapping(value: Any) -> dict[str, Any]:
    """A mapping."""
    if not isinstance(value, dict):
        raise TypeError("`key: value` lines")
    return value


def truth_or_texts(value: Any) -> bool | tuple[str, ...]:
    """True, False, or a list of texts."""
    return value if isinstance(value, bool) else tuple(texts(value))


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise TypeError("a list of `key: value` entries, at least one")
    return value
