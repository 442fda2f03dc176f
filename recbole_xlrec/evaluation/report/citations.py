"""Whom to cite for a model, in short form."""

from __future__ import annotations

import recbole_xlrec

RECBOLE = (
    "W. X. Zhao et al. RecBole: Towards a Unified, Comprehensive and Efficient Framework for Recommendation "
    "Algorithms. CIKM 2021."
)
OURS = "The recbole_xlrec authors. recbole_xlrec: cross-language recommendation for RecBole. Version {}."

_SASREC = "W.-C. Kang and J. McAuley. Self-Attentive Sequential Recommendation. ICDM 2018."
_EASE = "H. Steck. Embarrassingly Shallow Autoencoders for Sparse Data. WWW 2019."
_LIGHTGCN = "X. He et al. LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation. SIGIR 2020."

#: What each model is, or is built on.
MODELS: dict[str, str] = {
    "Pop": "the most consumed items, the same for everybody: nothing to cite",
    "Random": "items drawn at random: nothing to cite",
    "ItemKNN": "M. Deshpande and G. Karypis. Item-Based Top-N Recommendation Algorithms. ACM TOIS 22(1), 2004.",
    "BPR": "S. Rendle et al. BPR: Bayesian Personalized Ranking from Implicit Feedback. UAI 2009.",
    "EASE": _EASE,
    "SLIMElastic": "X. Ning and G. Karypis. SLIM: Sparse Linear Methods for Top-N Recommender Systems. ICDM 2011.",
    "NeuMF": "X. He et al. Neural Collaborative Filtering. WWW 2017.",
    "NGCF": "X. Wang et al. Neural Graph Collaborative Filtering. SIGIR 2019.",
    "LightGCN": _LIGHTGCN,
    "SGL": "J. Wu et al. Self-supervised Graph Learning for Recommendation. SIGIR 2021.",
    "MultiVAE": "D. Liang et al. Variational Autoencoders for Collaborative Filtering. WWW 2018.",
    "MultiDAE": "D. Liang et al. Variational Autoencoders for Collaborative Filtering. WWW 2018.",
    "RecVAE": "I. Shenbin et al. RecVAE: A New Variational Autoencoder for Top-N Recommendations. WSDM 2020.",
    "SimpleX": "K. Mao et al. SimpleX: A Simple and Strong Baseline for Collaborative Filtering. CIKM 2021.",
    "DirectAU": "C. Wang et al. Towards Representation Alignment and Uniformity in Collaborative Filtering. KDD 2022.",
    "GRU4Rec": "B. Hidasi et al. Session-based Recommendations with Recurrent Neural Networks. ICLR 2016.",
    "SASRec": _SASREC,
    "SASRecF": f"{_SASREC} With features of items, as RecBole has it.",
    "BERT4Rec": "F. Sun et al. BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from "
    "Transformer. CIKM 2019.",
    "FM": "S. Rendle. Factorization Machines. ICDM 2010.",
    "DeepFM": "H. Guo et al. DeepFM: A Factorization-Machine based Neural Network for CTR Prediction. IJCAI 2017.",
    "FDSA": "T. Zhang et al. Feature-level Deeper Self-Attention Network for Sequential Recommendation. IJCAI 2019.",
    "WideDeep": "H.-T. Cheng et al. Wide & Deep Learning for Recommender Systems. DLRS 2016.",
    "DCNV2": "R. Wang et al. DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to "
    "Rank Systems. WWW 2021.",
    "AutoInt": "W. Song et al. AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural Networks. "
    "CIKM 2019.",
    "XLProfile": "after J. J. Rocchio. Relevance Feedback in Information Retrieval. The SMART Retrieval System, 1971.",
    "XLEASE": f"after {_EASE}",
    "XLAlphaRec": "after L. Sheng et al. Language Representations Can be What Recommenders Need. ICLR 2025; and "
    + _LIGHTGCN,
    "XLSASRec": f"after {_SASREC} And Y. Hou et al. Towards Universal Sequence Representation Learning for Recommender "
    "Systems. KDD 2022.",
    "XLMLP": "after P. Covington et al. Deep Neural Networks for YouTube Recommendations. RecSys 2016; and Y. Koren. "
    "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering. TKDD 2010.",
    "XLBERT": "after J. Devlin et al. BERT: Pre-training of Deep Bidirectional Transformers for Language "
    "Understanding. NAACL 2019; two towers after N. Reimers and I. Gurevych. Sentence-BERT. EMNLP 2019; and the "
    "pretrained model's own authors",
    "XLFusion": "after E. A. Fox and J. A. Shaw. Combination of Multiple Searches. TREC-2, 1994; and the fused models",
}


def citation(model: str) -> str:
    """Whom to cite for a model; for one that is not known here, where to look."""
    if model in MODELS:
        return MODELS[model]
    return "this package's README" if model.startswith("XL") else "not known here: see RecBole's page of the model"


def software() -> tuple[tuple[str, str], ...]:
    """Whom to cite for what every run is made with."""
    return ("RecBole", RECBOLE), ("recbole_xlrec", OURS.format(recbole_xlrec.__version__))
