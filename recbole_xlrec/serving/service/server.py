"""The service as a process: uvicorn on one address, ready before it says so."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from recbole_xlrec.errors import ConfigError, EncoderError
from recbole_xlrec.serving.queries import Options
from recbole_xlrec.serving.recommender import Recommender

#: Connections that may wait to be taken.
_BACKLOG = 2048


def check_installed() -> None:
    """Refuses to go on without what the service needs.

    Raises:
        ConfigError: If FastAPI or uvicorn is not installed.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"serve needs {error.name}: pip install 'recbole_xlrec[serve]'") from error


def serve(recommender: Recommender, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves until interrupted.

    Args:
        recommender: The run.
        host: Address.
        port: Port; 0 for a free one.
        say: Told what cannot be asked, and where the service is.

    Raises:
        ConfigError: If the address cannot be taken.
    """
    import uvicorn

    from recbole_xlrec.serving.service.app import create_app

    note = warm_up(recommender)
    if note:
        say(note)
    _allow_connections()
    app = create_app(recommender)
    gc.collect()
    gc.freeze()  # what is loaded stays: looking through it again and again would hold up answers for half a second
    config = uvicorn.Config(app, host, port, log_level="warning", access_log=False, backlog=_BACKLOG)
    try:
        listening = config.bind_socket()
    except (SystemExit, OSError) as error:
        raise ConfigError(f"{host}:{port} cannot be taken: another process may have it. Name another --port") from error
    with listening:
        listening.listen(_BACKLOG)  # from here on who asks is heard, and answered as soon as uvicorn runs
        address = f"[{host}]" if ":" in host else host
        say(f"http://{address}:{listening.getsockname()[1]} answers; /docs says what can be asked. Ctrl+C ends it")
        uvicorn.Server(config).run([listening])


def warm_up(recommender: Recommender) -> str:
    """Does what is done once: the first request is as fast as the others. Says what cannot be asked."""
    recommender.recommend(users=recommender.users.ids[1:2].tolist(), k=1)
    try:
        recommender.search(["a"], Options(k=1))
    except EncoderError as error:
        return f"/search will refuse: {error}"
    return ""


def _allow_connections() -> None:
    """Lets the process open as many connections as the system allows: often 1,024 unless asked for more."""
    if sys.platform == "win32":  # has no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
