"""The report as LaTeX tables for the package booktabs."""

from __future__ import annotations

import re

from recbole_xlrec.evaluation.report.layout import Cell, cells, columns, is_marked, seeds_text
from recbole_xlrec.evaluation.report.marking import BETTER, WORSE, meaning
from recbole_xlrec.evaluation.report.structure import Report, Table

_MOST_LANGUAGES = 8
_MARKS = {BETTER: r"$^{\dagger}$", WORSE: r"$^{\ddagger}$", "": ""}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "·": r"$\cdot$",
    BETTER: r"$\dagger$",
    WORSE: r"$\ddagger$",
    **{char: f"\\{char}" for char in "&%$#_{}"},
}


def latex(report: Report) -> str:
    r"""One ``table`` a dataset, protocol and metric that was tested; the others are in the CSV."""
    head = [
        "% Needs \\usepackage{booktabs}; texts other than Latin need XeLaTeX or LuaLaTeX and a font that has them.",
        "% Metrics and languages beyond those shown are in report.csv.",
    ]
    tables = [_table(table, metric) for table in report.tables for metric in table.tested or table.metrics[:1]]
    return "\n".join(head) + "\n\n" + "\n".join(tables)


def _table(table: Table, metric: str) -> str:
    names = columns(table, _MOST_LANGUAGES)
    found = cells(table, metric, names)
    left = len(table.languages) - _MOST_LANGUAGES
    caption = f"{metric} on {table.dataset}, {table.protocol}: {seeds_text(table)}, best in bold, second underlined."
    caption += f" The {_MOST_LANGUAGES} of {len(table.languages)} languages with most queries." if left > 0 else ""
    caption += f" {meaning(table.baseline)}" if is_marked(found) else ""
    body = [
        f"    {' & '.join([escape(line.name), *map(_cell, row)])} \\\\"
        for line, row in zip(table.lines, found, strict=True)
    ]
    label = re.sub(r"[^a-z0-9]+", "-", f"{table.dataset}-{table.protocol}-{metric}".lower()).strip("-")
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escape(caption)}}}",
            f"  \\label{{tab:{label}}}",
            f"  \\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"    \toprule",
            f"    {' & '.join(['', *map(escape, names)])} \\\\",
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    text = rf"\textbf{{{text}}}" if cell.best else rf"\underline{{{text}}}" if cell.second else text
    return text + _MARKS[cell.mark]


def escape(text: str) -> str:
    r"""Text as LaTeX prints it.

    Example:
        >>> print(escape("50% of A_b & {c}"))
        50\% of A\_b \& \{c\}
    """
    return "".join(_SPECIAL.get(char, char) for char in text)
