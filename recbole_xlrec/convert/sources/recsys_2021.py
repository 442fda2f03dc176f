"""RecSys Challenge 2021: tweets that users of Twitter liked, retweeted, quoted or answered, or only were shown.

A user is who was shown a tweet, an item the tweet. It counts as chosen if it was engaged with (`--option engagement`
says how), at the time of the first engagement; the others are kept with `--negatives` only, with the time of the tweet.

The language of a tweet is published as a hash: `--option languages` says which hash is which language, as
`hash=tag,hash=tag` or a file with the columns `language_hash` and `language`. Tweets of other hashes are `und`; the
hash is the feature `language_hash`. The text is published as token numbers of multilingual BERT: the `vocab.txt` of
`bert-base-multilingual-cased`, in the input folder or given by `--option vocabulary`, turns them into text; without it
no text is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import polars as pl

from recbole_xlrec.convert.base import Batch, Source, Tables
from recbole_xlrec.convert.raw import RawFile
from recbole_xlrec.convert.read import Reader
from recbole_xlrec.convert.splits import Seen
from recbole_xlrec.data import columns as c
from recbole_xlrec.data.languages import normalise_language
from recbole_xlrec.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

_TOKENS, _TWEET_TIME, _HASH, _VOCABULARY = "text_tokens", "tweet_timestamp", "language_hash", "vocabulary"
_TWEET = (_TOKENS, "hashtags", c.ITEM_ID, "media", "links", "domains", "tweet_type", _HASH, _TWEET_TIME)
_AUTHOR = ("author", "author_followers", "author_following", "author_verified", "author_created")
_USER = (c.USER_ID, "followers", "following", "verified", "created")
_ENGAGEMENTS = ("reply", "retweet", "quote", "like")
_COLUMNS = (*_TWEET, *_AUTHOR, *_USER, "author_follows", *_ENGAGEMENTS)
_LISTS = ("hashtags", "media", "domains")
_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
_LOST = "\ufffd"
#: Tweets hold HTML entities, which BERT takes apart.
_ENTITY = r"& (amp|lt|gt|quot) ;"
#: Multilingual BERT takes Chinese characters apart, and writes none of the blanks that were not there.
_CHINESE = r"(\p{Han}) (\p{Han})"


def read(reader: Reader) -> Tables:
    """Engagements; tweets, each once, with author, type, hashtags, and text where the vocabulary is there."""
    files = reader.folder.some("part-*")
    pieces, tags = _vocabulary(reader), _languages(reader)
    wanted = reader.choice("engagement", ("any", *_ENGAGEMENTS), "any")
    return Tables(
        interactions=(_engaged(reader, batch, wanted) for batch in _rows(reader, files)),
        items=_tweets(reader.again(), files, tags, pieces),
        time="s",
        features={"author": c.TOKEN, "tweet_type": c.TOKEN, _HASH: c.TOKEN, **dict.fromkeys(_LISTS, c.TOKEN_SEQ)},
        texts=(c.TITLE,),
    )


def _rows(reader: Reader, files: list[RawFile]) -> Iterator[Batch]:
    for file in files:
        yield from reader.delimited(file, _COLUMNS, "\x01", False)


def _engaged(reader: Reader, batch: Batch, wanted: str) -> Batch:
    kinds = _ENGAGEMENTS if wanted == "any" else (wanted,)
    told = [pl.col(kind).str.strip_chars().replace("", None) for kind in kinds]
    times = [kind.cast(pl.Int64, strict=False) for kind in told]
    broken = pl.any_horizontal(kind.is_not_null() & time.is_null() for kind, time in zip(told, times, strict=True))
    batch = reader.reject(batch, broken, "a time of engagement that is no number")
    first = pl.min_horizontal(times)
    return batch.select(
        c.USER_ID,
        c.ITEM_ID,
        timestamp=first.cast(pl.String).fill_null(pl.col(_TWEET_TIME)),
        label=first.is_not_null().cast(pl.Int8),
    )


def _tweets(reader: Reader, files: list[RawFile], tags: Mapping[str, str], pieces: pl.Series | None) -> Iterator[Batch]:
    seen = Seen()
    for batch in _rows(reader, files):
        new = seen.first(batch, c.ITEM_ID).filter(pl.col(c.ITEM_ID).str.strip_chars() != "")
        tweets = new.select(
            c.ITEM_ID,
            pl.col(_HASH).replace_strict(tags, default=None, return_dtype=pl.String).alias(c.LANGUAGE),
            "author",
            "tweet_type",
            _HASH,
            *(pl.col(name).str.split("\t") for name in _LISTS),
        )
        if pieces is None:
            yield tweets
        else:
            yield Batch(tweets.file, tweets.frame.with_columns(decoded(new.frame[_TOKENS], pieces).alias(c.TITLE)))


def decoded(tokens: pl.Series, pieces: pl.Series) -> pl.Series:
    r"""Turns token numbers into text.

    Args:
        tokens: Numbers with tabs between; null where there are none.
        pieces: The word pieces of the vocabulary, by number; those that go on a word begin with `##`.

    Returns:
        Text, words with blanks between; a number that the vocabulary does not have becomes U+FFFD.

    Example:
        >>> decoded(pl.Series(["0\t2\t3\t1"]), pl.Series(["[CLS]", "[SEP]", "Schmetter", "##ling"])).to_list()
        ['Schmetterling']
    """
    numbers = pl.DataFrame({"row": pl.int_range(len(tokens), eager=True), "number": tokens.str.split("\t")})
    numbers = numbers.explode("number").with_columns(pl.col("number").cast(pl.UInt32, strict=False))
    known = pl.when(pl.col("number") < len(pieces)).then("number")
    piece = pieces.gather(numbers.select(known).to_series()).fill_null(_LOST)
    words = numbers.select("row", piece=piece.replace("[UNK]", _LOST)).filter(~pl.col("piece").is_in(_SPECIAL))
    texts = words.group_by("row").agg(pl.col("piece").str.join(" "))
    whole = pl.DataFrame({"row": pl.int_range(len(tokens), eager=True), "there": tokens.is_not_null()})
    text = pl.col("piece").str.replace_all(" ##", "", literal=True).str.replace_all(_ENTITY, "&$1;")
    text = text.str.replace_all(_CHINESE, "$1$2").str.replace_all(_CHINESE, "$1$2")  # matches do not overlap
    return (
        whole.join(texts, on="row", how="left", maintain_order="left").select(pl.when("there").then(text)).to_series()
    )


def _vocabulary(reader: Reader) -> pl.Series | None:
    """The word pieces; None, with a warning, where no vocabulary is given."""
    given = reader.settings.get(_VOCABULARY)
    found = reader.folder.find("vocab.txt") if given is None else [reader.own_files(given).one("*")]
    if not found:
        logger.warning(
            "No texts are written: they are token numbers, and there is no vocabulary. Put vocab.txt of "
            "bert-base-multilingual-cased into the input folder, or give --option vocabulary=FILE."
        )
        return None
    pieces = pl.concat([batch.frame["piece"] for batch in reader.delimited(found[0], ("piece",), "\t", False)])
    if _SPECIAL[1] not in pieces:
        raise DataError(f"{found[0].name} is no vocabulary of BERT, one word piece a line: it lacks {_SPECIAL[1]}.")
    return pieces


def _languages(reader: Reader) -> dict[str, str]:
    """Languages by hash, in standard form."""
    given = reader.settings.get("languages", "")
    if not given:
        return {}
    if "=" not in given:
        tables = [batch.frame for batch in reader.own_table(given, (_HASH, c.LANGUAGE))]
        pairs = [pair for table in tables for pair in table.select(_HASH, c.LANGUAGE).rows()]
    else:
        parts = [part.split("=") for part in given.split(",") if part.strip()]
        if any(len(part) != 2 for part in parts):
            raise ConfigError(f"--option languages={given}: write hash=tag,hash=tag, or the name of a file.")
        pairs = [(key, tag) for key, tag in parts]
    return {key.strip(): normalise_language(tag.strip()) for key, tag in pairs}


SOURCE = Source(
    name="recsys-2021",
    title="RecSys Challenge 2021: engagements with tweets",
    read=read,
    url="https://recsys-twitter.com",
    licence="Twitter Developer Agreement; research only, and deleted tweets are to be removed (see the site)",
    citation="L. Belli, A. Tejani, F. Portman, A. Lung-Yut-Fong, B. Chamberlain, Y. Xie, K. Lum, J. Hunt, "
    "M. Bronstein, V. W. Anelli, S. Kalloori, B. Ferwerda and W. Shi. The 2021 RecSys Challenge Dataset: Fairness is "
    "not optional. RecSys Challenge 2021.",
    size="about 1 billion rows, half of them engagements, over 4 weeks",
    languages="66, as hashes: --option languages names them",
    good_for="social media; very large; texts in many languages, short-lived items",
    layout="part-00000, part-00001 ... (unpacked, or .gz; 24 columns), vocab.txt (optional)",
    options={
        "engagement": "what counts as chosen: any, like, retweet, reply or quote",
        "languages": "languages of the hashes: hash=tag,hash=tag, or a TSV or CSV with language_hash and language",
        "vocabulary": "vocab.txt of bert-base-multilingual-cased, for texts; if it is not in the input folder",
    },
)
