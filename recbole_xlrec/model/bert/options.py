"""The keys of XLBERT as plain values, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from recbole_xlrec.errors import ConfigError

FORMS = ("cross", "two_tower")
TUNINGS = ("full", "head", "lora", "adalora", "ia3")
ATTACKS = ("none", "fgm", "pgd")


class Reading(NamedTuple):
    """What is read of the texts: see the keys of the same names."""

    bert_form: str
    history_items: int
    text_tokens: int
    max_tokens: int


class Tuning(NamedTuple):
    """What of the language model is trained, and how fast; see the keys of the same names."""

    tuning: str
    lora_rank: int
    lora_alpha: float
    lora_dropout: float
    adapter_targets: list[str] | None
    gradient_checkpointing: bool
    encoder_dropout: float | None
    layer_decay: float
    warmup_share: float


class Attack(NamedTuple):
    """Adversarial steps; see the keys of the same names."""

    word_attack: str
    attack_epsilon: float
    attack_steps: int


class Augmentation(NamedTuple):
    """What training reads in place of the texts; see the keys of the same names."""

    field_dropout: float
    code_switch: float
    code_switch_words: float
    bilingual_dictionary: str | list[str] | None
    back_translation: str | list[str] | None
    back_translation_share: float
    augment_versions: int


class BertOptions(NamedTuple):
    """All of them."""

    reading: Reading
    tuning: Tuning
    attack: Attack
    augmentation: Augmentation
    head_hidden_size: int
    dropout_prob: float

    @classmethod
    def from_config(cls, config: Any) -> BertOptions:
        """Picks the options out of a configuration.

        Raises:
            ConfigError: A value is out of range or not known, or keys exclude each other.
        """

        def part(kind: Any) -> Any:
            return kind(**{name: config[name] for name in kind._fields})

        options = cls(
            part(Reading),
            part(Tuning),
            part(Attack),
            part(Augmentation),
            config["head_hidden_size"],
            config["dropout_prob"],
        )
        _check(options)
        _refuse_frozen_options(config)
        return options


def _check(options: BertOptions) -> None:
    reading, tuning, attack, augmentation = options[:4]
    _one_of({"bert_form": (reading.bert_form, FORMS), "tuning": (tuning.tuning, TUNINGS)})
    _one_of({"word_attack": (attack.word_attack, ATTACKS)})
    whole = {
        **{name: getattr(reading, name) for name in ("history_items", "text_tokens", "max_tokens")},
        "lora_rank": tuning.lora_rank,
        "attack_steps": attack.attack_steps,
        "augment_versions": augmentation.augment_versions,
        "head_hidden_size": options.head_hidden_size,
    }
    for key, number in whole.items():
        if not isinstance(number, int) or number < 1:
            raise ConfigError(f"{key}: a whole number from 1 on, found {number!r}")
    shares = {name: getattr(augmentation, name) for name in ("field_dropout", "code_switch", "back_translation_share")}
    ones = {**shares, "code_switch_words": augmentation.code_switch_words, "warmup_share": tuning.warmup_share}
    below = {"dropout_prob": options.dropout_prob, "lora_dropout": tuning.lora_dropout}
    below |= {"encoder_dropout": tuning.encoder_dropout or 0.0}
    for key, share in {**ones, **below}.items():
        if not 0 <= share <= 1 or (key in below and share == 1):
            raise ConfigError(f"{key}: from 0 {'on and below' if key in below else 'to'} 1, found {share!r}")
    if sum(shares.values()) > 1:
        raise ConfigError(f"{' + '.join(shares)} is {sum(shares.values()):g}; each item text changes once: at most 1")
    if not 0 < tuning.layer_decay <= 1 or not tuning.lora_alpha > 0 or not attack.attack_epsilon > 0:
        raise ConfigError(
            f"layer_decay ({tuning.layer_decay}): above 0 and at most 1; lora_alpha ({tuning.lora_alpha}) and "
            f"attack_epsilon ({attack.attack_epsilon}): above 0"
        )
    _check_sources(augmentation)


def _check_sources(chosen: Augmentation) -> None:
    if (chosen.code_switch > 0) != (chosen.bilingual_dictionary is not None):
        raise ConfigError("code_switch and bilingual_dictionary need each other: set both, or code_switch: 0 and ~")
    if (chosen.back_translation_share > 0) != (chosen.back_translation is not None):
        raise ConfigError("back_translation_share and back_translation need each other: set both, or 0 and ~")


def _one_of(choices: Mapping[str, tuple[object, tuple[str, ...]]]) -> None:
    for key, (value, known) in choices.items():
        if value not in known:
            raise ConfigError(f"{key} is one of {', '.join(known)}; found {value!r}")


def _refuse_frozen_options(config: Any) -> None:
    """Refuses keys that change frozen vectors, which this model does not have, and a scaler that nothing needs."""
    usual = {
        "alignment": (config["alignment"], None),
        "whitening": (config["whitening"], "none"),
        "encoder_truncate": (config["encoder_truncate"], None),
        "encoder_backend": (config["encoder_backend"], "torch"),
        "encoder_long_texts": (config["encoder_long_texts"], "cut"),
        "text_versions": (config["text_versions"], "join"),
    }
    wrong = [key for key, (value, plain) in usual.items() if value != plain]
    if wrong:
        raise ConfigError(
            f"{', '.join(wrong)}: of frozen text vectors, and XLBERT trains the language model. Leave it out"
        )
    if config["encoder_dtype"] not in ("float32", "bfloat16"):
        raise ConfigError(f"encoder_dtype: XLBERT trains in float32 or bfloat16, found {config['encoder_dtype']!r}")
    if config["encoder_dtype"] == "bfloat16" and config["tuning"] == "full":
        raise ConfigError("tuning: full rounds its steps away in bfloat16 weights; set enable_amp: True, and float32")
    if config["enable_scaler"]:
        raise ConfigError("enable_scaler: XLBERT computes in bfloat16 under enable_amp, which needs no scaler")
