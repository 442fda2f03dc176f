"""Speed and memory of converting reviews: generated files, converted each in a process of its own on two cores.

Targets: at least 300,000 interactions a second end to end for the ratings of 5 million reviews as CSV; ten times the
rows over the same users and items take less than twice the peak memory.

Usage: python tests/benchmarks/convert_reviews.py [--rows 5000000] [--json-rows 1000000] [--law 1000000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

USERS, ITEMS = 600_000, 200_000
_CHILD = """
import sys
from pathlib import Path
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
done = convert(find_source("amazon-reviews-2023"), Path(sys.argv[1]), Path(sys.argv[2]), Options("reviews"))
status = Path("/proc/self/status").read_text()
# Not ru_maxrss: that is never less than what the parent held when it started this process.
print(done.meta["steps"][0]["rows"], status.split("VmHWM:")[1].split()[0])
"""


class Measured(NamedTuple):
    """What one conversion took: rows read, seconds, seconds of processor time, and peak memory in MiB."""

    rows: int
    seconds: float
    busy: float
    peak: float


def measured(write: Callable[[Path], None]) -> Measured:
    """Generates a folder of raw files and converts it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        raw, output = Path(folder) / "raw", Path(folder) / "atomic"
        raw.mkdir()
        write(raw)
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(raw), str(output)], stdout=subprocess.PIPE, env=environment, text=True
        )
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"The conversion ended with status {status}.")
        rows, peak = map(int, said.split())
        return Measured(rows, seconds, usage.ru_utime + usage.ru_stime, peak / 1024)


def shown(name: str, result: Measured) -> str:
    """One line of the table."""
    return (
        f"{name:34} {result.rows:>11,} rows {result.seconds:7.1f} s ({result.busy:6.1f} s of processor) "
        f"{result.rows / result.seconds:>10,.0f} rows/s {result.peak:7,.0f} MiB"
    )


def main() -> None:
    """Measures and prints."""
    from _raw_reviews import write_csv, write_products, write_reviews

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the CSV; 0 leaves it out")
    parser.add_argument("--json-rows", type=int, default=1_000_000, help="reviews as jsonl.gz; 0 leaves them out")
    parser.add_argument("--law", type=int, default=1_000_000, help="rows of the smaller file; 0 leaves it out")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])

    def ratings(rows: int, users: int, items: int) -> Measured:
        return measured(lambda raw: write_csv(raw / "Toys.csv", rows, users, items))

    def reviews(raw: Path) -> None:
        write_reviews(raw / "Toys.jsonl.gz", given.json_rows, USERS, ITEMS)
        write_products(raw / "meta_Toys.jsonl.gz", ITEMS)

    if given.rows:
        sys.stdout.write(shown("ratings, csv", ratings(given.rows, USERS, ITEMS)) + "\n")
    if given.json_rows:
        sys.stdout.write(shown("reviews and products, jsonl.gz", measured(reviews)) + "\n")
    if given.law:
        small, large = (ratings(rows, 100_000, 40_000) for rows in (given.law, 10 * given.law))
        sys.stdout.write(shown("ratings, csv, same users and items", small) + "\n")
        sys.stdout.write(shown("ten times the rows", large) + f"   {large.peak / small.peak:.2f} × the memory\n")


if __name__ == "__main__":
    main()
