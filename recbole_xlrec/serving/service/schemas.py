"""What the service takes and gives, as its OpenAPI page shows it; anything else is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from recbole_xlrec.serving.queries import Options

MOST_ITEMS, MOST_HISTORY, MOST_NAMES, MOST_LETTERS = 1000, 1000, 100, 1000

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[list[Id], Field(min_length=1, max_length=MOST_NAMES)]


class _Lists(BaseModel):
    """What lists may hold."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    k: int = Field(10, ge=1, le=MOST_ITEMS, description="Length of the list.")
    languages: Names | None = Field(
        None, description="Languages of the items; null for those that the run's evaluation ranked.", examples=[["de"]]
    )
    one_edition_per_work: bool = Field(False, description="Of editions of a work only the best.")
    categories: Names | None = Field(None, description="Items of one of these; null for any.", examples=[None])
    unavailable: Annotated[list[Id], Field(max_length=MOST_HISTORY)] = Field(
        [], description="Ids of items to leave out.", examples=[[]]
    )
    explain: bool = Field(False, description="Say what led to each item.")

    def options(self) -> Options:
        """The same for a `Recommender`, to be hashed."""
        return Options(
            k=self.k,
            languages=None if self.languages is None else tuple(self.languages),
            exclude_seen=getattr(self, "exclude_seen", None),
            one_edition_per_work=self.one_edition_per_work,
            categories=None if self.categories is None else tuple(self.categories),
            unavailable=tuple(self.unavailable),
            explain=self.explain,
        )


class RecommendRequest(_Lists):
    """A user of the run, or a history of anybody."""

    user_id: Id | None = Field(None, description="A user of the run.", examples=[None])
    history: Annotated[list[Id], Field(max_length=MOST_HISTORY)] | None = Field(
        None, description="Item ids, oldest first.", examples=[["en:50", "en:172"]]
    )
    language: Id | None = Field(None, description="Of the history's owner; null for that of most of it.")
    exclude_seen: bool | None = Field(
        None,
        description="Leave out what the history holds; null for yes, but for sequential models without exclude_met.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> RecommendRequest:
        if (self.user_id is None) == (self.history is None):
            raise ValueError("give either user_id or history")
        if self.user_id is not None and self.language is not None:
            raise ValueError("language is that of a history's owner; the run knows its users' own")
        return self


class SearchRequest(_Lists):
    """Words in any language that the run's encoder knows."""

    query: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_LETTERS)] = Field(
        description="What is looked for.", examples=["star wars"]
    )
    language: Id | None = Field(None, description="Of the query, for encoders that ask.")


class ReasonModel(BaseModel):
    """What led to an item."""

    item_id: str | None = Field(None, description="An item of the history; absent in a search.")
    text: str | None = Field(None, description="Its title, or the text that was found.")
    share: float = Field(description="What it adds to the score.")


class ItemModel(BaseModel):
    """An item of a list."""

    item_id: str
    score: float
    title: str = Field(description="In the item's own language; may be empty.")
    language: str = Field(description="May be empty.")
    because: list[ReasonModel] | None = Field(None, description="Only with explain.")


class ListModel(BaseModel):
    """A list, best first."""

    query_id: str
    source: str = Field(description="Who made the list: model, popularity or search.")
    note: str = Field(description="What is to be said of it; mostly empty.")
    unknown_items: list[str] = Field(description="Ids in the history that the run does not know; they are skipped.")
    items: list[ItemModel]


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    detail: str


class Health(BaseModel):
    """What is served."""

    status: str
    model: str
    dataset: str
    items: int
    users: int
    languages: list[str]
    index: str | None = Field(description="Kind of the index of items, if there is one.")
    version: str
