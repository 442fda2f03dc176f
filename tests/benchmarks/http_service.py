"""Requests a second and latency of `recbole-xlrec serve` for 10,000 items in 5 languages, by the load generator wrk.

Target: 200 requests a second with a 99th percentile below 100 ms on 2 cores. wrk (https://github.com/wg/wrk, `apt-get
install wrk`) runs on the same machine and asks again on each connection as soon as it has an answer, so that the
service is always at its limit; requests differ, and each asks for 10 items. The target is judged with 8 connections:
with more they wait for each other, and 1 alone is never answered in company. With 64, 1,000 more are open and idle. At
last, broken requests and large bodies are sent in between; all others must still be answered.

Usage: python tests/benchmarks/http_service.py [models …] [--seconds=10]
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from recbole_xlrec.bridge.experiment import run
from recbole_xlrec.data.atomic import write_atomic

ITEMS, USERS, LENGTH, TAGS = 10_000, 5_000, 20, ("de", "en", "es", "fr", "ja")
TARGET_RATE, TARGET_MS, AIMED = 200, 100, 8
SETTINGS: dict[str, dict[str, object]] = {
    "XLProfile": {},
    "XLEASE": {},
    "XLSASRec": {"epochs": 1, "MAX_ITEM_LIST_LENGTH": 20, "window_stride": 20},
}
#: Lua of wrk: path, headers and body of a request.
ASKED = {
    "user": f"""'/recommend', nil, string.format('{{"user_id": "u%d", "k": 10}}', math.random(0, {USERS - 1}))""",
    "history": f"""'/recommend', nil, string.format('{{"history": ["i%d", "i%d"], "k": 10, "languages": ["de", "en"]}}',
        math.random(0, {ITEMS - 1}), math.random(0, {ITEMS - 1}))""",
    "search": """'/search', nil, string.format('{"query": "w%d w%d", "k": 10}',
        math.random(0, 999), math.random(0, 999))""",
}


def main() -> None:
    """Prints a line a model, kind of request and number of connections."""
    models = [each for each in sys.argv[1:] if not each.startswith("--")] or ["XLProfile", "XLSASRec"]
    seconds = next((int(each.split("=")[1]) for each in sys.argv[1:] if each.startswith("--seconds=")), 10)
    if shutil.which("wrk") is None:
        sys.exit("not measured: wrk is not installed (apt-get install wrk)")
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        for model in models:
            made = run(model, "shop", [], {**_settings(folder), **SETTINGS[model]})
            with _service(made.folder) as (process, address):
                for kind in ASKED:
                    for connections in (1, AIMED, 64):
                        with _idle(address, 1000 if connections == 64 else 0):
                            _measure(model, kind, connections, seconds, process, address)
                _measure(model, "user", AIMED, seconds, process, address, harm=True)


def _measure(
    model: str,
    kind: str,
    connections: int,
    seconds: int,
    process: psutil.Process,
    address: tuple[str, int],
    harm: bool = False,
) -> None:
    before = sum(process.cpu_times()[:2])
    url = f"http://{address[0]}:{address[1]}"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "ask.lua")
        headers = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
        script.write_text(f"{headers}request = function() return wrk.format(nil, {ASKED[kind]}) end\n")
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        statuses = _harm(url, seconds - 2) if harm else ""
        told = load.communicate()[0]
    used = sum(process.cpu_times()[:2]) - before
    rate, count = float(_found(r"Requests/sec:\s+([\d.]+)", told)), int(_found(r"(\d+) requests in", told))
    half, last = (_milliseconds(_found(rf"{share}%\s+([\d.]+\w+)", told)) for share in (50, 99))
    trouble = re.search(r"(Socket errors.*|Non-2xx.*)", told)
    met = rate >= TARGET_RATE and last < TARGET_MS and trouble is None
    target = f"; target {'met' if met else 'MISSED'}" if connections == AIMED else ""
    told_of = f"{'; ' + trouble.group() if trouble else ''}{statuses}{target}"
    print(
        f"{model:9} {kind:7} {connections:3} connections: {rate:7.1f} requests/s, half in {half:6.1f} ms, 99 % in "
        f"{last:6.1f} ms; {1000 * used / count:.2f} ms of the processor each; "
        f"{process.memory_info().rss / 2**20:,.0f} MB{told_of}",
        flush=True,
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said nothing of {pattern}:\n{text}")
    return match.group(1)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def _harm(url: str, seconds: float) -> str:
    """Sends what cannot be answered, over and over; says what came back."""
    bad = [b'{"user_id', b'{"user_id": "nobody"}', b'{"history": ["none"]}', b"\xff" * 10_000_000, b"[" * 100_000]
    bad += [b'{"user_id": "u1", "languages": ["xx"]}', b'{"user_id": "u1", "k": 0}']
    found: set[int] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for body in bad:
            request = urllib.request.Request(f"{url}/recommend", body, {"content-type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=30).close()
                raise RuntimeError(f"answered: {body[:50]!r}")
            except urllib.error.HTTPError as error:
                found.add(error.code)
            except (BrokenPipeError, ConnectionResetError, urllib.error.URLError):
                pass  # told 413 and cut off before all was sent
        time.sleep(0.05)
    return f"; broken requests in between: {sorted(found)}"


@contextmanager
def _idle(address: tuple[str, int], count: int) -> Iterator[None]:
    """So many connections that are open and say nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(address, timeout=30))
        yield


@contextmanager
def _service(folder: Path) -> Iterator[tuple[psutil.Process, tuple[str, int]]]:
    command = [sys.executable, "-W", "ignore", "-m", "recbole_xlrec", "serve", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout or ():
            if "answers" in line:
                host, port = _found(r"http://(\S+)", line).split(":")
                yield psutil.Process(process.pid), (host, int(port))
                return
        raise RuntimeError("the service did not start")
    finally:
        process.terminate()
        process.wait()


def _write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    items = np.array([f"i{item}" for item in range(ITEMS)])
    tags = np.array(TAGS)[np.arange(ITEMS) % len(TAGS)]
    words = rng.integers(0, 1000, (ITEMS, 6))
    chances = 1 / np.arange(1, ITEMS + 1)
    taken = rng.choice(ITEMS, (USERS, LENGTH), p=chances / chances.sum())  # (users, length)
    inter = pd.DataFrame({"user_id": np.repeat([f"u{user}" for user in range(USERS)], LENGTH)})
    inter = inter.assign(item_id=items[taken.ravel()], timestamp=np.arange(USERS * LENGTH, dtype=float))
    titles = [" ".join(f"w{word}" for word in row) for row in words.tolist()]
    shop = folder / "shop" / "shop"
    write_atomic(shop.with_suffix(".inter"), inter.drop_duplicates(["user_id", "item_id"]))
    write_atomic(shop.with_suffix(".item"), pd.DataFrame({"item_id": items, "language": tags}))
    write_atomic(shop.with_suffix(".text"), pd.DataFrame({"item_id": items, "language": tags, "title": titles}))


def _settings(folder: str) -> dict[str, object]:
    return {
        "data_path": folder,
        "run_path": str(Path(folder, "runs")),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"], "item": ["item_id", "language"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "metrics": ["NDCG"],
        "topk": [10],
        "valid_metric": "NDCG@10",
        "show_progress": False,
        "use_gpu": False,
    }


if __name__ == "__main__":
    main()
