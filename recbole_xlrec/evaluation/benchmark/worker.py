"""The process of one run: ``python -m recbole_xlrec.evaluation.benchmark.worker SPEC``.

SPEC is a JSON object of the arguments of `recbole_xlrec.run`. What the run prints goes to standard error; standard
output gets one JSON object, ``{"folder": ...}`` or ``{"message": ...}``. It ends when its standard input is closed: by
a parent that is done with it, or that was killed.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

from recbole_xlrec.errors import XLRecError


def main() -> None:
    """Runs what the command line says."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    try:
        from recbole_xlrec.bridge.experiment import run

        folder = run(**json.loads(sys.argv[1])).folder
    except XLRecError as error:
        logging.getLogger(__name__).exception("the run failed")
        _say(answer, {"message": str(error)})
        sys.exit(2)
    _say(answer, {"folder": str(folder)})


def _say(answer: object, values: dict[str, str]) -> None:
    print(json.dumps(values), file=answer, flush=True)  # type: ignore[call-overload]


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    main()
