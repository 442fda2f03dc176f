"""``python -m recbole_xlrec``: the same as the console script ``recbole-xlrec``."""

from recbole_xlrec.cli import main

if __name__ == "__main__":
    main()
