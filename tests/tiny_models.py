"""Tiny randomly initialised multilingual models, saved to a folder: the real loading code without a download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SENTENCES = (
    "The cat sits on the mat.",
    "Die Katze sitzt auf der Matte.",
    "Le chat est assis sur le tapis.",
    "El gato está sentado en la alfombra.",
    "猫がマットの上に座っています。",
    "고양이가 매트 위에 앉아 있습니다.",
    "Кошка сидит на коврике.",
    "猫坐在垫子上。",
    "query: passage: A film about a dog, a boat and the sea.",
)
HIDDEN = 32
MAX_TOKENS = 64


def build_transformer(folder: Path, seed: int = 0, sentences: Sequence[str] = SENTENCES) -> Path:
    """Saves a bare XLM-R (2 layers, 32 wide) with a tokenizer trained on `sentences`; returns the folder."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = _tokenizer(sentences)
    torch.manual_seed(seed)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.5,  # wide, so that different texts get clearly different vectors
    )
    XLMRobertaModel(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_sentence_model(
    folder: Path,
    pooling: str = "mean",
    prompts: dict[str, str] | None = None,
    default_prompt_name: str | None = None,
    seed: int = 0,
    normalize: bool = False,
) -> Path:
    """Saves a sentence-transformers model with `modules.json`, pooling and prompts; returns the folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    bare = build_transformer(folder.with_name(f"{folder.name}-bare"), seed)
    modules = [Transformer(str(bare)), Pooling(HIDDEN, pooling_mode=pooling)]
    if normalize:
        modules.append(Normalize())
    model = SentenceTransformer(modules=modules, prompts=prompts, default_prompt_name=default_prompt_name, device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


def _tokenizer(sentences: Sequence[str]):  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Metaspace()
    trained.train_from_iterator(
        sentences, trainers.UnigramTrainer(vocab_size=300, special_tokens=specials, unk_token="<unk>")
    )
    trained.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=MAX_TOKENS,
    )
