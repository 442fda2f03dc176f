"""The verbs about item texts and their encoders: `align`, `tune-encoder`, `encoders`, `encoder-report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recbole_xlrec.cli_data import DataPath
from recbole_xlrec.errors import ConfigError

if TYPE_CHECKING:
    from recbole_xlrec.text.align.parallel import ParallelTexts

_PARALLEL = "Parallel text"
Encoder = Annotated[str, typer.Option(help="ngram, or a sentence-transformers name or folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Template = Annotated[str | None, typer.Option(help='Item text, as "{title}. {genres}".')]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …; by default the best there is.")]
Lines = Annotated[
    list[str] | None,
    typer.Option(help="LANGUAGE=FILE, one text a line; give one for each language.", rich_help_panel=_PARALLEL),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option(help="LANGUAGE-LANGUAGE=FILE, two columns, tab-separated.", rich_help_panel=_PARALLEL),
]

ParallelDataset = Annotated[
    str | None, typer.Option("--dataset", help="A dataset with texts in several languages.", rich_help_panel=_PARALLEL)
]
SharedBy = Annotated[
    Literal["item_id", "work_id"],
    typer.Option(help="What the texts of the dataset share: the item, or the work.", rich_help_panel=_PARALLEL),
]
Prompt = Annotated[str | None, typer.Option(help="Text before each text; by default the encoder's own.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts a batch.")]
HeldOut = Annotated[float, typer.Option(min=0, help="Share, or number, of texts kept for the measure.")]


def align(
    output: Annotated[Path, typer.Argument(help="Folder to write; then set `alignment:` to it.")],
    encoder: Encoder = "ngram",
    lines: Lines = None,
    pairs: Pairs = None,
    dataset: ParallelDataset = None,
    by: SharedBy = "item_id",
    data_path: DataPath = Path("atomic_data"),
    template: Template = None,
    method: Annotated[Literal["cca", "procrustes", "contrastive"], typer.Option(help="How to fit the maps.")] = "cca",
    pivot: Annotated[str | None, typer.Option(help="Language for those without a map; by default en.")] = None,
    dimension: Annotated[int | None, typer.Option(min=1, help="Width at most; by default the encoder's.")] = None,
    shrinkage: Annotated[float, typer.Option(min=0, help="Of the covariances, for cca and contrastive.")] = 0.3,
    held_out: HeldOut = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is random.")] = 2020,
    encoder_dimension: Annotated[int, typer.Option(min=1, help="Width of the dense view of ngram.")] = 256,
    prompt: Prompt = None,
    batch_size: BatchSize = 64,
    device: Device = None,
    json: AsJson = False,
) -> None:
    """Fit maps on parallel text that bring an encoder's languages together; show retrieval on held-out text."""
    from recbole_xlrec.text.align.fit import FitOptions
    from recbole_xlrec.text.align.fit import align as fit
    from recbole_xlrec.text.options import EncoderOptions, base_encoder

    texts = parallel_texts(lines, pairs, dataset, by, data_path, template)
    options = EncoderOptions.plain(
        encoder,
        encoder_dimension=encoder_dimension,
        encoder_prompt=prompt,
        encoder_batch_size=batch_size,
        device=device,
    )
    fitted = fit(texts, base_encoder(options), FitOptions(method, pivot, dimension, shrinkage, seed), held_out)
    fitted.save(output)
    if json:
        _print_json(fitted.report)
        return
    from rich.console import Console

    from recbole_xlrec.text.report.console import print_alignment

    print_alignment(fitted, output, Console())


def tune_encoder(
    output: Annotated[Path, typer.Argument(help="Folder to write; then set `encoder:` to it.")],
    encoder: Annotated[str, typer.Option(help="A sentence-transformers name or folder.")],
    lines: Lines = None,
    pairs: Pairs = None,
    dataset: ParallelDataset = None,
    by: SharedBy = "item_id",
    data_path: DataPath = Path("atomic_data"),
    template: Template = None,
    teacher: Annotated[
        str | None, typer.Option(help="Name or folder of an encoder whose vectors of the pivot language are learned.")
    ] = None,
    pivot: Annotated[str | None, typer.Option(help="Language that the teacher knows; by default en.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each pair is seen.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="Learning rate.")] = 2e-5,
    batch_size: BatchSize = 64,
    held_out: HeldOut = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of what is random.")] = 2020,
    prompt: Prompt = None,
    device: Device = None,
    json: AsJson = False,
) -> None:
    """Train an encoder on parallel text so that translations are near; show retrieval on held-out text."""
    from recbole_xlrec.text.align.finetune import TuneOptions
    from recbole_xlrec.text.align.finetune import tune_encoder as tune
    from recbole_xlrec.text.encoders.sentence import SentenceEncoder

    student = SentenceEncoder(encoder, prompt=prompt, batch_size=batch_size, device=device)
    master = SentenceEncoder(teacher, batch_size=batch_size, device=device) if teacher else None
    texts = parallel_texts(lines, pairs, dataset, by, data_path, template)
    options = TuneOptions(epochs, batch_size, rate, pivot, seed)
    report = tune(texts, student, output, options, held_out, master, show_progress=not json)
    if json:
        _print_json(report)
        return
    from rich.console import Console

    from recbole_xlrec.text.report.console import print_tuning

    print_tuning(report, output, Console())


def encoders(json: AsJson = False) -> None:
    """List encoders worth knowing: size, width, prompt, licence, and which are on this machine."""
    from recbole_xlrec.text.encoders.known import KNOWN, is_present

    if json:
        _print_json([{**known._asdict(), "present": is_present(known)} for known in KNOWN])
        return
    from rich.console import Console

    from recbole_xlrec.text.report.console import print_encoders

    print_encoders(Console())


def encoder_report(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset with a text table.")],
    encoder: Encoder = "ngram",
    data_path: DataPath = Path("atomic_data"),
    alignment: Annotated[Path | None, typer.Option(help="Folder that align wrote.")] = None,
    lines: Lines = None,
    pairs: Pairs = None,
    template: Template = None,
    prompt: Prompt = None,
    most: Annotated[int, typer.Option(min=20, help="Texts of each language at most, drawn.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 2020,
    batch_size: BatchSize = 64,
    dimension: Annotated[int, typer.Option(min=1, help="Width of the dense view of ngram.")] = 256,
    device: Device = None,
    json: AsJson = False,
) -> None:
    """Measure an encoder on a dataset's texts, language by language, before anything is trained."""
    from recbole_xlrec.text.options import EncoderOptions
    from recbole_xlrec.text.report.encoder_report import ReportOptions
    from recbole_xlrec.text.report.encoder_report import encoder_report as measure

    options = EncoderOptions.plain(
        encoder,
        alignment=str(alignment) if alignment else None,
        encoder_dimension=dimension,
        encoder_prompt=prompt,
        encoder_batch_size=batch_size,
        text_template=template,
        device=device,
    )
    parallel = parallel_texts(lines, pairs, None, "", data_path, None) if lines or pairs else None
    found = measure(data_path / dataset, dataset, options, ReportOptions(most, seed), parallel)
    if json:
        _print_json(found)
        return
    from rich.console import Console

    from recbole_xlrec.text.report.console import print_encoder_report

    print_encoder_report(found, Console())


def parallel_texts(
    lines: list[str] | None,
    pairs: list[str] | None,
    dataset: str | None,
    by: str,
    data_path: Path,
    template: str | None,
) -> ParallelTexts:
    """Reads parallel text from the one place that is named.

    Raises:
        ConfigError: None is named, or more than one.
    """
    from recbole_xlrec.text.align import parallel

    if sum(map(bool, (lines, pairs, dataset))) != 1:
        raise ConfigError("name parallel text in one way: --lines for each language, --pairs, or --dataset")
    if lines:
        return parallel.from_lines({tag: Path(path) for tag, path in (_named(text) for text in lines)})
    if pairs:
        return parallel.from_pairs({_two(tags): Path(path) for tags, path in (_named(text) for text in pairs)})
    return parallel.from_dataset(data_path / str(dataset), str(dataset), by, template)


def _named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise ConfigError(f"{text}: write LANGUAGE=FILE, or LANGUAGE-LANGUAGE=FILE for --pairs")
    return name, path


def _two(tags: str) -> tuple[str, str]:
    first, dash, second = tags.partition("-")
    if not (first and dash and second):
        raise ConfigError(f"--pairs {tags}=…: write the two languages as de-en")
    return first, second


def _print_json(values: Any) -> None:
    import json

    typer.echo(json.dumps(values, ensure_ascii=False, indent=1))
