"""XLBERT: click prediction by a multilingual language model that is fine-tuned on (history text, item text) → label.

A cross-encoder (Devlin et al., NAACL 2019) or two towers (Reimers and Gurevych, EMNLP 2019); as a recommender, after
Qiu et al., AAAI 2021, "U-BERT", and Wu et al., SIGIR 2021, "PLM-NR". Where we differ: the language model is any
multilingual one, a history is the text of what the user liked in whatever languages, and nothing but text is read, so
that items and users that training never met are scored alike. Adapters (`bert/tuning`), adversarial steps
(`bert/adversarial`) and augmentation (`bert/augment`) are off by default: no gain in recommendation is known of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import InputType, ModelType
from torch.nn import functional as F

from recbole_xlrec.errors import DataError
from recbole_xlrec.model.bert.adversarial import attacked_loss
from recbole_xlrec.model.bert.base import LanguageModel, load_language_model
from recbole_xlrec.model.bert.inputs import Inputs
from recbole_xlrec.model.bert.optimiser import parameter_groups
from recbole_xlrec.model.bert.options import BertOptions
from recbole_xlrec.model.bert.past import Past
from recbole_xlrec.model.bert.tokens import Ids
from recbole_xlrec.model.bert.towers import Backbone, CrossEncoder, TwoTowers
from recbole_xlrec.model.bert.tuning import AdaLoRA, prepare, share_trained
from recbole_xlrec.model.bert.versions import item_versions
from recbole_xlrec.model.click_labels import check_labels
from recbole_xlrec.text.options import EncoderOptions

logger = logging.getLogger(__name__)

_FORMS: dict[str, type[CrossEncoder | TwoTowers]] = {"cross": CrossEncoder, "two_tower": TwoTowers}
_PREFIX = "form.backbone.transformer."


class XLBERT(AbstractRecommender):
    """Click prediction by a pretrained multilingual language model, fine-tuned whole or by adapters."""

    type = ModelType.CONTEXT
    input_type = InputType.POINTWISE
    form: CrossEncoder | TwoTowers

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__()
        self.options = BertOptions.from_config(config)
        check_labels(config, dataset)
        self.USER_ID, self.ITEM_ID, self.LABEL = dataset.uid_field, dataset.iid_field, config["LABEL_FIELD"]
        self.n_users, self.n_items = dataset.user_num, dataset.item_num
        self.device, self.amp = torch.device(config["device"]), bool(config["enable_amp"])
        model = load_language_model(EncoderOptions.from_config(config))
        frozen = {id(weights) for part in (model.transformer, model.pooling, *model.rest) for weights in _tensors(part)}
        tuner = prepare(model, self.options.tuning)
        backbone = Backbone(model, whole=self.options.reading.bert_form == "two_tower")
        inputs = _inputs(self.options, model, dataset, config)
        self.form = _FORMS[self.options.reading.bert_form](
            backbone, inputs, self.options.head_hidden_size, self.options.dropout_prob
        )
        self.adalora = AdaLoRA(tuner) if self.options.tuning.tuning == "adalora" else None
        whole = self.options.tuning.tuning == "full"
        everything = super().state_dict(keep_vars=True)
        self._stored = [name for name, value in everything.items() if whole or id(value) not in frozen]
        self.base_model = model.identity
        self.other_parameter_name = ["base_model"]
        trained, of = share_trained(self)
        logger.info("XLBERT: %d of %d parameters are trained (%.2f %%)", trained, of, 100 * trained / of)

    # --- scores --------------------------------------------------------------------------------------------------

    def calculate_loss(self, interaction: Any) -> torch.Tensor:
        """Mean binary cross-entropy, and what the keys add to it."""
        texts = self.form.read(*self._ids(interaction))  # once, so that an attack reads the same versions of texts
        labels = interaction[self.LABEL].float()

        def loss_of() -> torch.Tensor:
            return F.binary_cross_entropy_with_logits(self._logits(texts), labels)

        words = self.form.backbone.transformer.get_input_embeddings()
        loss = attacked_loss(loss_of, words, self.options.attack)
        return loss if self.adalora is None else loss + self.adalora.penalty()

    def predict(self, interaction: Any) -> torch.Tensor:
        """(batch,) probabilities."""
        return torch.sigmoid(self._logits(self.form.read(*self._ids(interaction))))

    def _logits(self, texts: Any) -> torch.Tensor:
        """(rows,)."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.amp):
            return self.form.score(texts).float()

    def _ids(self, interaction: Any) -> tuple[Ids, Ids]:
        """(rows,) users and items."""
        return interaction[self.USER_ID].cpu().numpy(), interaction[self.ITEM_ID].cpu().numpy()

    # --- training ------------------------------------------------------------------------------------------------

    def parameter_groups(self, rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """For an optimizer: rates by layer, and no weight decay of biases and norms."""
        return parameter_groups(self, _PREFIX, rate, self.options.tuning.layer_decay, weight_decay)

    def begin_training(self, steps: int) -> None:
        """Says how many steps there will be."""
        if self.adalora is not None:
            self.adalora.begin(steps)

    def after_step(self) -> None:
        """After each step of the optimizer."""
        if self.adalora is not None:
            self.adalora.step()

    def train(self, mode: bool = True) -> XLBERT:
        """As of any module; a language model of which nothing is trained has no dropout."""
        super().train(mode)
        if self.options.tuning.tuning == "head":
            self.form.backbone.eval()
        return self

    # --- what is kept --------------------------------------------------------------------------------------------

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As of any module, without what the pretrained model's own files hold and training leaves as it is."""
        found = super().state_dict(*args, **kwargs)
        kept = {f"{kwargs.get('prefix', '')}{name}" for name in self._stored}
        for name in [name for name in found if name not in kept]:
            del found[name]
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As of any module; the pretrained model's own weights are not looked for.

        Raises:
            RuntimeError: Names or shapes do not fit.
        """
        missing, more = (
            sorted(names) for names in (set(self._stored) - set(state_dict), set(state_dict) - set(self._stored))
        )
        if strict and (missing or more):
            raise RuntimeError(f"missing {missing[:5]}, unexpected {more[:5]}: another `tuning` or `bert_form`?")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def load_other_parameter(self, para: Mapping[str, Any] | None) -> None:
        """RecBole's ``load_other_parameter``.

        Raises:
            DataError: The weights were tuned on another pretrained model.
        """
        wanted = (para or {}).get("base_model")
        if wanted != self.base_model:  # with `tuning: full` too: its tokenizer is that of the pretrained model
            raise DataError(
                f"these weights were tuned on the pretrained model {wanted}, and `encoder` names {self.base_model} "
                "(revision on the hub, or hash of the folder's files). Name the one that they were tuned on"
            )


def _tensors(module: Any) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _inputs(options: BertOptions, model: LanguageModel, dataset: Any, config: Any) -> Inputs:
    texts, index = dataset.item_texts(), dataset.languages
    languages = ["all languages"] * len(texts)
    if index is not None and index.items is not None:
        languages = [index.names[code] or "no language" for code in index.items.tolist()]
    versions = item_versions(texts, options.augmentation, dataset, config)
    past = Past.of(dataset, options.reading.history_items)
    return Inputs(texts, past, versions, model, options.reading, languages)
