"""The verbs `export` and `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

RunFolder = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
DataFolder = Annotated[Path | None, typer.Option(help="Folder of the datasets; by default as in the run.")]


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    index: Annotated[
        Literal["flat", "ivf", "hnsw", "pq"],
        typer.Option(help="flat looks at every item; ivf at cells of them; hnsw walks a graph; pq is ivf in codes."),
    ] = "ivf",
    recall: Annotated[
        float, typer.Option(min=0.5, max=1, help="Share of users' true best 100 items that the index must find.")
    ] = 0.98,
    data_path: DataFolder = None,
) -> None:
    """Write item vectors and a FAISS index of them, for models whose score is an inner product."""
    from recbole_xlrec.serving.export import export as write
    from recbole_xlrec.serving.recommender import Recommender

    made = write(Recommender.from_run(run, data_path=data_path), out, index, recall)
    effort = f" at effort {made.effort}" if made.effort else ""
    typer.echo(
        f"{made.items:,} items, {made.width} wide; {index} finds {made.recall:.4f} of users' lists{effort}, built and "
        f"tuned in {made.seconds:.1f} s: {out}"
    )


def serve(
    run: RunFolder,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 is the whole network, which may then ask.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")] = 8000,
    index: Annotated[Path | None, typer.Option(help="Folder that export wrote of the run.")] = None,
    new_items: Annotated[Path | None, typer.Option(help="JSON lines of items that the run never saw.")] = None,
    data_path: DataFolder = None,
    use_gpu: Annotated[bool, typer.Option("--use-gpu", help="Put the model on a GPU.")] = False,
) -> None:
    """Answer over HTTP: /recommend, /search, /healthz, /docs, and a page to try it."""
    from recbole_xlrec.serving.recommender import Recommender
    from recbole_xlrec.serving.service.server import check_installed
    from recbole_xlrec.serving.service.server import serve as run_service

    check_installed()
    recommender = Recommender.from_run(run, data_path=data_path, new_items=new_items, index=index, use_gpu=use_gpu)
    run_service(recommender, host, port, typer.echo)
