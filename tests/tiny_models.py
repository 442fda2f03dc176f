"""Tiny randomly initialised multilingual models, saved to a folder: the real loading code without a download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def build_transformer(folder: Path, seed: int = 0, sentences: Sequence[str] = SENTENCES, **sizes: Any) -> Path:
    """Saves a bare XLM-R (2 layers, 32 wide, or as `sizes` says) with a tokenizer trained on `sentences`."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = _tokenizer(sentences)
    torch.manual_seed(seed)
    usual = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.5,  # wide, so that different texts get clearly different vectors
    }
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{**usual, **sizes},
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


def _tokenizer(  # type: ignore[no-untyped-def]
    sentences: Sequence[str], ends: str = "<s> $A </s>", padding_side: str = "right"
):
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
        single=ends, pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
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
        padding_side=padding_side,
    )


def build_masked_model(folder: Path, seed: int = 0, sentences: Sequence[str] = SENTENCES) -> Path:
    """Saves an XLM-R with its masked-language-model head; returns the folder."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    bare = build_transformer(folder, seed, sentences)
    torch.manual_seed(seed)
    model = XLMRobertaForMaskedLM(XLMRobertaConfig.from_pretrained(bare)).eval()
    model.save_pretrained(folder)
    return folder


def build_decoder(folder: Path, seed: int = 0, sentences: Sequence[str] = SENTENCES, head: bool = False) -> Path:
    """Saves a Qwen3 (2 layers, 32 wide), as a causal language model where `head` says so; returns the folder.

    Its tokenizer pads on the left and ends every text with the end token, as Qwen3-Embedding's does.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3Model

    tokenizer = _tokenizer(sentences, ends="$A </s>", padding_side="left")
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.5,
    )
    (Qwen3ForCausalLM if head else Qwen3Model)(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_decoder_encoder(folder: Path, seed: int = 0) -> Path:
    """Saves a Qwen3-Embedding-like model: last token, left padding, an instruction for queries; returns the folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    bare = build_decoder(folder.with_name(f"{folder.name}-bare"), seed)
    modules = [Transformer(str(bare)), Pooling(HIDDEN, pooling_mode="lasttoken"), Normalize()]
    prompts = {"query": "Instruct: find films\nQuery:", "document": ""}
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder), create_model_card=False)
    return folder


def build_dense_model(folder: Path, seed: int = 0) -> Path:
    """Saves a LaBSE-like model: a BERT's CLS token, a dense layer with tanh, length 1; returns the folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    bare = folder.with_name(f"{folder.name}-bare")
    tokenizer = _tokenizer(SENTENCES)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.5,
    )
    BertModel(config).eval().save_pretrained(bare)
    tokenizer.save_pretrained(bare)
    modules = [Transformer(str(bare)), Pooling(HIDDEN, pooling_mode="cls"), Dense(HIDDEN, HIDDEN), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder
