"""``recbole-xlrec inspect``: the profile of a converted dataset, on one screen and as one HTML page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from recbole_xlrec.inspect.advice import advice
from recbole_xlrec.inspect.console import print_profile
from recbole_xlrec.inspect.profile import Profile, read_profile

__all__ = ["Profile", "advice", "inspect", "read_profile"]


def inspect(data_path: Path, dataset: str, html: Path | None = None, console: Console | None = None) -> Profile:
    """Prints the profile of the dataset `<data_path>/<dataset>/`, and writes it as a page where one is asked for.

    Args:
        data_path: Folder of the datasets.
        dataset: The dataset's name.
        html: Where to write the page, one self-contained file; a file that is there is replaced.
        console: Where to print.

    Returns:
        The profile.

    Raises:
        DataError: There is no such dataset, it has no interactions, or a file of it cannot be read.
    """
    console = console or Console()
    profile = read_profile(data_path, dataset)
    warnings = advice(profile)
    print_profile(profile, warnings, console)
    if html is not None:
        from recbole_xlrec.inspect.page import write_page

        write_page(profile, warnings, html)
        console.print(f"Page: {html}", soft_wrap=True)
    return profile
