"""Converts made-up Amazon-M2 files of the published size: time, memory and rows.

python tests/benchmarks/convert_amazon_m2.py [--sessions 3600000] [--products 1400000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _raw_files import amazon_m2

_CONVERT = """
import json, resource, sys, time
from pathlib import Path
from recbole_xlrec.convert.options import Options
from recbole_xlrec.convert.pipeline import convert
from recbole_xlrec.convert.registry import find_source
start = time.perf_counter()
done = convert(find_source("amazon-m2"), Path(sys.argv[1]), Path(sys.argv[2]), Options(name="amazon-m2"))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": seconds, "peak": peak, "counts": done.meta["counts"]}))
"""


def main() -> None:
    """Makes the files, converts them in a process of its own, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=3_600_000)
    parser.add_argument("--products", type=int, default=1_400_000)
    parser.add_argument("--seed", type=int, default=2020)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw, atomic = Path(folder) / "raw", Path(folder) / "atomic"
        raw.mkdir()
        start = time.perf_counter()
        amazon_m2(raw, given.sessions, given.products, given.seed)
        size = sum(path.stat().st_size for path in raw.iterdir())
        print(f"made {size / 1e9:.2f} GB in {time.perf_counter() - start:.0f} s", flush=True)
        command = [sys.executable, "-c", _CONVERT, str(raw), str(atomic)]
        told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        rows = told["counts"]["interactions"]
        print(
            f"{told['seconds']:.0f} s, peak {told['peak'] / 1e9:.2f} GB, {given.sessions / told['seconds']:,.0f} "
            f"sessions/s, {rows / told['seconds']:,.0f} interactions/s, {rows:,} interactions, "
            f"{told['counts']['users']:,} users, {told['counts']['items']:,} items"
        )


if __name__ == "__main__":
    main()
