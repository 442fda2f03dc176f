"""The application: /recommend, /search, /healthz, /docs, and a page to try them at /."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

import recbole_xlrec
from recbole_xlrec.data.hints import did_you_mean
from recbole_xlrec.errors import XLRecError
from recbole_xlrec.serving.approximate import IndexScorer
from recbole_xlrec.serving.queries import Options, Query
from recbole_xlrec.serving.recommender import Recommender
from recbole_xlrec.serving.service.answers import Answers, NotKnown
from recbole_xlrec.serving.service.batching import Batcher, Busy
from recbole_xlrec.serving.service.body_limit import BodyLimit
from recbole_xlrec.serving.service.demo import demo_page
from recbole_xlrec.serving.service.schemas import Health, ListModel, Problem, RecommendRequest, SearchRequest

logger = logging.getLogger(__name__)

#: Bytes of a request: room for the longest history of ids as long as they come.
MOST_BYTES = 2**19
_REQUESTS: dict[str, type[BaseModel]] = {"/recommend": RecommendRequest, "/search": SearchRequest}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is no JSON"},
    404: {"model": Problem, "description": "The run does not know the user, or any item of the history"},
    413: {"model": Problem, "description": "The body is too large"},
    422: {"model": Problem, "description": "A value is not as it must be, or not known"},
    503: {"model": Problem, "description": "Too many requests wait"},
}


def create_app(recommender: Recommender, batch: int = 64) -> FastAPI:
    """The service of a run.

    Args:
        recommender: The run.
        batch: Requests that the model answers at once, at most.
    """
    answers = Answers(recommender)
    known: Batcher[Options, Query, bytes | Exception] = Batcher(answers.recommend, batch)
    texts: Batcher[tuple[Options, str], str, bytes | Exception] = Batcher(answers.search, batch)
    page, health = demo_page(recommender), _health(recommender)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        known.close()
        texts.close()

    app = FastAPI(title="recbole_xlrec", version=recbole_xlrec.__version__, lifespan=lifespan, summary=_summary(health))
    app.add_middleware(BodyLimit, most=MOST_BYTES)
    _say_what_is_wrong(app)

    @app.post("/recommend", response_model=ListModel, responses=_PROBLEMS)
    async def recommend(asked: RecommendRequest) -> Response:
        """The best items for a user of the run, or for a history."""
        query = Query(asked.user_id or "history", asked.user_id, asked.history, asked.language)
        return _json(await known.ask(asked.options(), query))

    @app.post("/search", response_model=ListModel, responses=_PROBLEMS)
    async def search(asked: SearchRequest) -> Response:
        """The items whose text is nearest to a query."""
        return _json(await texts.ask((asked.options(), asked.language or ""), asked.query))

    @app.get("/healthz", response_model=Health)
    async def healthz() -> Health:
        """What is served."""
        return health

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def demo() -> HTMLResponse:
        return HTMLResponse(page)

    return app


def _json(answer: bytes | Exception) -> Response:
    if isinstance(answer, Exception):
        raise answer
    return Response(answer, media_type="application/json")


def _health(recommender: Recommender) -> Health:
    run, scorer = recommender.run, recommender.scorer
    return Health(
        status="ok",
        model=type(run.model).__name__,
        dataset=run.settings["dataset"],
        items=len(recommender.catalogue) - 1,
        users=len(recommender.users.ids) - 1,
        languages=[str(tag) for tag in np.unique(recommender.catalogue.languages) if tag],
        index=scorer.folder.nearest.kind if isinstance(scorer, IndexScorer) else None,
        version=recbole_xlrec.__version__,
    )


def _summary(health: Health) -> str:
    return f"{health.model} on {health.dataset}: {health.items:,} items in {len(health.languages)} languages"


def _say_what_is_wrong(app: FastAPI) -> None:
    """Makes every refusal one sentence, under `detail`."""

    @app.exception_handler(XLRecError)
    async def ours(_: Request, error: XLRecError) -> JSONResponse:
        if isinstance(error, Busy):
            return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})
        return JSONResponse({"detail": str(error)}, 404 if isinstance(error, NotKnown) else 422)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()
        broken = found[0]["type"] == "json_invalid"
        known = list(_REQUESTS[request.url.path].model_fields)
        return JSONResponse({"detail": "; ".join(_sentence(each, known) for each in found[:3])}, 400 if broken else 422)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        unread = error.status_code == 400  # what FastAPI says of bytes that it cannot decode, or nested without end
        detail = "the body is no JSON in UTF-8" if unread else f"{error.detail}; /docs says what there is"
        return JSONResponse({"detail": detail}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s failed", request.url.path, exc_info=error)
        return JSONResponse({"detail": "the service failed at this; its log says why"}, 500)


def _sentence(error: dict[str, Any], known: list[str]) -> str:
    if error["type"] == "json_invalid":
        return f"the body is no JSON: {error['ctx']['error']} at character {error['loc'][-1]}"
    if error["loc"] == ("body",) and error["type"] != "value_error":
        return 'the body is one JSON object, sent with the header "content-type: application/json"'
    place = ".".join(str(part) for part in error["loc"][1:]) or "the body"
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no such key.{did_you_mean(place, known)} There are {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ")
    value = error.get("input")
    shown = f"; found {str(value)[:40]!r}" if isinstance(value, (str, int, float)) else ""
    return f"{place}: {message}{shown}"
