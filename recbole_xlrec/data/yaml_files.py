"""YAML as RecBole's users write it, and where the defaults of this package stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recbole_xlrec.errors import ConfigError

PROPERTIES = Path(__file__).parents[1] / "properties"
#: The keys this package adds to RecBole's, with their defaults.
OVERALL_YAML = PROPERTIES / "overall.yaml"


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with RecBole's numbers, ``1e-3`` is a float, and its users' ``None``."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]+[eE][-+]?[0-9]+$"),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^None$"), ["N"])


def parse_value(text: str) -> Any:
    """A command-line value, read as YAML.

    Raises:
        ConfigError: If it is no YAML.

    Example:
        >>> parse_value("1e-3"), parse_value("[1, 2]"), parse_value("None")
        (0.001, [1, 2], None)
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value {text!r} is no YAML: {error}") from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads one configuration file.

    Raises:
        ConfigError: If it is missing, no YAML, or no mapping of keys to values.
    """
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        raise ConfigError(f"no configuration file {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} is no YAML file: {error}") from error
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path} must hold `key: value` lines, found a {type(values).__name__}")
    return values or {}
