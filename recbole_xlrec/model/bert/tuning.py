"""What of the language model is trained: all, nothing, or adapters of peft, which are all that is then kept.

LoRA: Hu et al., ICLR 2022. AdaLoRA: Zhang et al., ICLR 2023. (IA)³: Liu et al., NeurIPS 2022.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from recbole_xlrec.errors import ConfigError, sample
from recbole_xlrec.model.bert.base import LanguageModel
from recbole_xlrec.model.bert.options import Tuning

_ADAPTER = "default"
#: Families that peft has no layers for, and the one whose layers are called alike.
_ALIKE = {"xlm-roberta": "roberta", "xlm-roberta-xl": "roberta", "camembert": "roberta"}
#: Shares of all steps before AdaLoRA begins to take ranks away, and after it has ended.
_ADALORA_BEFORE, _ADALORA_AFTER = 0.1, 0.3
_ORTHOGONALITY = 0.5  # weight of the penalty, as peft has it


def prepare(model: LanguageModel, chosen: Tuning) -> Any:
    """Freezes what is not trained, adds adapters, and sets dropout and gradient checkpointing, in place.

    Returns:
        peft's tuner, or None where there are no adapters.

    Raises:
        ConfigError: peft is missing, or knows no layers to adapt, or the model cannot checkpoint gradients.
    """
    transformer = model.transformer
    if chosen.encoder_dropout is not None:
        for module in transformer.modules():
            if isinstance(module, nn.Dropout):
                module.p = chosen.encoder_dropout
    if chosen.tuning != "full":
        for part in (transformer, model.pooling, *model.rest):
            part.requires_grad_(False)
    if chosen.gradient_checkpointing:
        if not getattr(transformer, "supports_gradient_checkpointing", False):
            raise ConfigError(f"gradient_checkpointing: encoder {model.name} cannot. Set it to False")
        # named anew in transformers 5
        enable = getattr(transformer, "activation_checkpointing_enable", transformer.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    return _adapted(transformer, chosen, model.name) if chosen.tuning in _CONFIGS else None


def share_trained(module: nn.Module) -> tuple[int, int]:
    """Numbers that are trained, and numbers in all."""
    sizes = [(weights.numel(), weights.requires_grad) for weights in module.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


class AdaLoRA:
    """What AdaLoRA does beside the loss: ranks are taken away after each step, and matrices are kept orthogonal.

    Args:
        tuner: peft's.
    """

    def __init__(self, tuner: Any) -> None:
        self.tuner, self.steps = tuner, 0

    def begin(self, total: int) -> None:
        """Says how many steps there will be."""
        config = self.tuner.peft_config[_ADAPTER]
        config.total_step = total
        config.tinit, config.tfinal = int(_ADALORA_BEFORE * total), int(_ADALORA_AFTER * total)
        config.deltaT = max(1, total // 100)

    def step(self) -> None:
        """After a step of the optimizer, before its gradients are cleared."""
        self.steps += 1
        self.tuner.update_and_allocate(self.steps)

    def penalty(self) -> torch.Tensor:
        """How far the matrices are from orthogonal, weighted (Zhang et al. 2023, equation 4; as peft, of the norm)."""
        found = []
        for name, weights in self.tuner.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                gram = weights @ weights.T if "lora_A" in name else weights.T @ weights  # (rank, rank)
                found.append((gram - torch.eye(len(gram), device=gram.device)).norm())
        return _ORTHOGONALITY * torch.stack(found).mean()


def _adapted(transformer: Any, chosen: Tuning, name: str) -> Any:
    try:
        import peft
        from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
    except ImportError as error:
        raise ConfigError(f"tuning: {chosen.tuning} needs peft. Type: pip install peft") from error
    config = _CONFIGS[chosen.tuning](peft, chosen, transformer)
    try:
        tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](transformer, config, adapter_name=_ADAPTER)
    except ValueError as error:
        layers = sorted({each.split(".")[-1] for each, part in transformer.named_modules() if type(part) is nn.Linear})
        raise ConfigError(
            f"tuning: {chosen.tuning} finds no layer to adapt in encoder {name}: {error} Its linear layers are called "
            f"{sample(layers, 20)}; name some as adapter_targets"
        ) from error
    for weights in transformer.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()  # small steps are lost in bfloat16, whatever the model itself is in
    return tuner


def _targets(table: dict[str, list[str]], chosen: Tuning, transformer: Any) -> Any:
    kind = transformer.config.model_type
    return chosen.adapter_targets or table.get(kind) or table.get(_ALIKE.get(kind, ""))


def _lora(peft: Any, chosen: Tuning, transformer: Any) -> Any:
    known = peft.utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    return peft.LoraConfig(
        r=chosen.lora_rank,
        lora_alpha=chosen.lora_alpha,
        lora_dropout=chosen.lora_dropout,
        target_modules=_targets(known, chosen, transformer) or "all-linear",
    )


def _adalora(peft: Any, chosen: Tuning, transformer: Any) -> Any:
    known = peft.utils.constants.TRANSFORMERS_MODELS_TO_ADALORA_TARGET_MODULES_MAPPING
    return peft.AdaLoraConfig(
        target_r=chosen.lora_rank,
        init_r=max(chosen.lora_rank + 1, round(1.5 * chosen.lora_rank)),
        lora_alpha=chosen.lora_alpha,
        lora_dropout=chosen.lora_dropout,
        target_modules=_targets(known, chosen, transformer) or "all-linear",
        total_step=1,  # known when training begins
    )


def _ia3(peft: Any, chosen: Tuning, transformer: Any) -> Any:
    constants = peft.utils.constants
    targets = _targets(constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING, chosen, transformer)
    inner = _targets(constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING, chosen, transformer) or []
    if targets is None:
        raise ConfigError(
            f"tuning: ia3: peft does not know which layers of {transformer.config.model_type} to scale; name them as "
            "adapter_targets"
        )
    return peft.IA3Config(target_modules=targets, feedforward_modules=[] if chosen.adapter_targets else inner)


_CONFIGS = {"lora": _lora, "adalora": _adalora, "ia3": _ia3}
