"""``recbole-xlrec report``: finished runs as tables for a paper and one page for the browser."""

from recbole_xlrec.evaluation.report.report import report

__all__ = ["report"]
