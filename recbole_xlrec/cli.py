"""The command line: RecBole's flags run a model; a verb does the rest.

``recbole-xlrec --model=XLEASE --dataset=ml-100k-xl`` takes what ``run_recbole.py`` takes. Nothing heavy is imported
before a verb needs it, so that ``--help`` is there at once.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from recbole_xlrec import __version__
from recbole_xlrec.cli_benchmark import benchmark
from recbole_xlrec.cli_data import DataPath, convert, datasets, inspect
from recbole_xlrec.cli_evaluation import evaluate
from recbole_xlrec.cli_recommend import recommend
from recbole_xlrec.cli_report import report
from recbole_xlrec.cli_serving import export, serve
from recbole_xlrec.cli_text import align, encoder_report, encoders, tune_encoder
from recbole_xlrec.errors import XLRecError

app = typer.Typer(
    name="recbole-xlrec",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Recommend across languages with RecBole.

    Run any model, ours or RecBole's, with RecBole's own flags:

    `recbole-xlrec --model=XLEASE --dataset=ml-100k-xl --config_files=dataset_configs/ml-100k-xl.yaml --seed=2021`

    Any `--key=value` sets a key of the configuration; `--nproc`, `--world_size`, `--ip`, `--port`, `--group_offset`
    work as in RecBole. Or use one of the commands below.""",
)

for verb in (
    convert,
    datasets,
    inspect,
    evaluate,
    benchmark,
    report,
    recommend,
    export,
    serve,
    align,
    tune_encoder,
    encoders,
    encoder_report,
):
    app.command()(verb)


@app.command()
def quickstart(
    data_path: DataPath = Path("atomic_data"),
    run_path: Annotated[Path, typer.Option(help="Folder of the runs and of the table.")] = Path("runs"),
    seeds: Annotated[int, typer.Option(min=1, max=10, help="How many seeds, each with its own split.")] = 3,
) -> None:
    """Compare our models with RecBole's classical ones in five languages; minutes on a CPU, no download."""
    from recbole_xlrec.quickstart import quickstart as run_quickstart

    run_quickstart(data_path, run_path, seeds)


@app.command()
def encode(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset with a text table.")],
    encoder: Annotated[str, typer.Option(help="ngram, or a sentence-transformers name or folder.")] = "ngram",
    data_path: DataPath = Path("atomic_data"),
    template: Annotated[str | None, typer.Option(help='Item text, as "{title}. {genres}".')] = None,
    text_languages: Annotated[
        Literal["own", "all"], typer.Option(help="An item's text in its own language, or in all.")
    ] = "own",
    prompt: Annotated[str | None, typer.Option(help="Text before each item's; by default the encoder's own.")] = None,
    prompt_name: Annotated[str | None, typer.Option(help="One of the encoder's own prompts.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts a batch.")] = 64,
    dimension: Annotated[int, typer.Option(min=1, help="Width of the dense view of ngram.")] = 256,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …; by default the best there is.")] = None,
    alignment: Annotated[str | None, typer.Option(help="Folder that align wrote.")] = None,
    versions: Annotated[
        Literal["join", "mean", "each"],
        typer.Option(help="Of all languages: one text, the mean of their vectors, or a vector of each."),
    ] = "join",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16, auto, or int8 on processors.")] = "float32",
    truncate: Annotated[int | None, typer.Option(min=1, help="Columns kept (Matryoshka).")] = None,
    backend: Annotated[str, typer.Option(help="torch, onnx or openvino.")] = "torch",
    long_texts: Annotated[Literal["cut", "pool"], typer.Option(help="Beyond the encoder's window.")] = "cut",
) -> None:
    """Encode the texts of a dataset ahead of training; interrupted, it goes on where it was.

    Started by torchrun, each process encodes its share.
    """
    from recbole_xlrec.text.catalogue import EncoderOptions, encode_catalogue

    options = EncoderOptions(
        encoder,
        dimension,
        prompt,
        prompt_name,
        batch_size,
        template,
        text_languages,
        missing_text="error",
        extra_vectors="error",
        device=device,
        text_versions=versions,
        alignment=alignment,
        encoder_dtype=dtype,
        encoder_truncate=truncate,
        encoder_backend=backend,
        encoder_long_texts=long_texts,
    )
    stored = encode_catalogue(data_path / dataset, dataset, options, show_progress=True, sharded=True)
    count, width = stored.matrix.shape
    typer.echo(f"{count} items, {width} dimensions: {stored.path}")


@app.command()
def models(family: Annotated[str | None, typer.Option(help="Only this family.")] = None) -> None:
    """List the models that can be run by name: ours, and RecBole's."""
    from recbole_xlrec.listing import print_models

    print_models(family)


@app.command()
def doctor() -> None:
    """Show the stack: versions, what of RecBole is patched and why, accelerators, optional extras."""
    from recbole_xlrec.listing import print_doctor

    print_doctor()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"recbole_xlrec {__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; an error of the user's is one message and exit status 2."""
    given = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger().handlers[0].setLevel(logging.WARNING)  # a run's log file takes more than the terminal
    try:
        if _is_run(given):
            from recbole_xlrec.launcher import launch

            launch(given)
        else:
            app(given, prog_name="recbole-xlrec")
    except XLRecError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # `recbole-xlrec models | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _is_run(arguments: list[str]) -> bool:
    """Says whether these are RecBole's flags: options only, none of them our own."""
    own = ("-h", "--help", "--version")
    return bool(arguments) and arguments[0].startswith("-") and arguments[0] not in own
