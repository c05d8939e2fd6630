"""Commands `predict` and `evaluate`: a model on one pair of your own, and on labelled pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abs_index.cli import console
from abs_index.cli.options import Device, DeviceOption, FigureTextOption, JsonOption, QuietOption
from abs_index.errors import UsageError
from abs_index.labels import ABS, KINDS

if TYPE_CHECKING:
    from abs_index.training.evaluation import ClassScore, Evaluation
    from abs_index.training.labelled import LabelledPair

ModelOption = Annotated[
    str, typer.Option("--model", help="Name of a shipped model, or the folder of one.", metavar="NAME|DIR")
]


class TextRole(StrEnum):
    """What the text of a pair is to its figure."""

    CAPTION = "caption"
    MENTION = "mention"


class Split(StrEnum):
    """A part of the labelled pairs."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Draw(StrEnum):
    """How labelled pairs were chosen: doubtful and rare ones first, or at random."""

    ACTIVE = "active"
    RANDOM = "random"


def predict(
    image: Annotated[Path, typer.Argument(help="Image file.", metavar="IMAGE", show_default=False)],
    text: Annotated[str, typer.Option("--text", help="Its caption, or a paragraph about it.", show_default=False)],
    role: Annotated[TextRole, typer.Option("--role", help="What the text is to the image.")] = TextRole.CAPTION,
    alt: Annotated[
        str, typer.Option("--alt", help="The alternative text of the image.", metavar="TEXT", show_default=False)
    ] = "",
    caption: Annotated[
        str,
        typer.Option(
            "--caption", help="With --role mention: the caption of the figure.", metavar="TEXT", show_default=False
        ),
    ] = "",
    figure_text: Annotated[
        bool,
        typer.Option("--figure-text", help="Read the words in the image first; needs the extra [figure-text]."),
    ] = False,
    model: ModelOption = "default",
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
) -> None:
    """Say for one image and one text which of the two is more abstract.

    Also what kind of image it is, and how much image and text have in common (cmi, from 0 to 1). Model default makes
    use of alternative text and caption, as a build does, where they are given.

    Example:

        abs-index predict heart.jpg --text "The human heart."
        abs-index predict wave.png --role mention --text "As Figure 3 shows, jams travel backwards at 15 km/h." --json
    """
    from abs_index.corpus.images import decode_image
    from abs_index.errors import RejectedError
    from abs_index.model.base import FigureWords
    from abs_index.model.load import load_model

    if caption and role is TextRole.CAPTION:
        raise UsageError("--caption goes with --role mention: with --role caption, --text is the caption")
    try:
        content = image.read_bytes()
    except OSError as error:
        raise UsageError(f"{image}: cannot be read: {error.strerror}") from None
    try:
        words = _read_words(content) if figure_text else None
        network = load_model(model, device=device.value)
        pixels = network.preprocess(decode_image(content, target=network.info.image_size).image)
    except RejectedError as error:
        raise RejectedError(f"{image}: {error.reason}", error.detail) from None
    features = network.encode_images(pixels[None])
    known = FigureWords(words or "", *(" ".join(said.split()) for said in (alt, caption)))
    said = network.encode_pairs(features, [" ".join(text.split())], [role.value], [known])
    abs_prob = dict(zip(ABS, said.abs_prob[0].tolist(), strict=True))
    kind_prob = dict(zip(KINDS, said.kind_prob[0].tolist(), strict=True))
    cmi = float(said.cmi[0])
    best_abs, best_kind = max(abs_prob, key=lambda one: abs_prob[one]), max(kind_prob, key=lambda one: kind_prob[one])
    if json:
        found = {"abs": best_abs, "abs_prob": abs_prob, "kind": best_kind, "kind_prob": kind_prob, "cmi": cmi}
        console.write_json(found | ({} if words is None else {"figure_text": words}))
        return
    console.write(best_abs)
    for label, probability in abs_prob.items():
        console.write(f"  {probability:6.1%}  {label}")
    console.write(f"kind: {best_kind} ({kind_prob[best_kind]:.1%})")
    console.write(f"cmi: {cmi:.2f}")
    if words is not None:
        console.write(f"words in the image: {words or 'none'}")


def _read_words(content: bytes) -> str:
    from abs_index.corpus.figure_text import RapidReader, decode_for_reading

    return RapidReader().read(decode_for_reading(content))


def evaluate(
    labels: Annotated[
        Path, typer.Argument(help="File of labelled pairs, JSON lines.", metavar="LABELS", show_default=False)
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            help="Folder that the image paths start from; left out, the folder of LABELS.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    split: Annotated[Split | None, typer.Option("--split", help="Only this split; left out, all.")] = None,
    draw: Annotated[Draw | None, typer.Option("--draw", help="Only this draw; left out, all.")] = None,
    agreed: Annotated[
        bool, typer.Option("--agreed", help="Only pairs that a second pass gave the same label.")
    ] = False,
    documents: Annotated[
        bool,
        typer.Option(
            "--documents/--no-documents",
            help="Take alternative texts and captions from the documents of the pairs, where these are below --root.",
        ),
    ] = True,
    figure_text: FigureTextOption = False,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Keeps the words in the images here, for the next time.", metavar="DIR"),
    ] = None,
    model: ModelOption = "default",
    device: DeviceOption = Device.AUTO,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a model on labelled pairs: accuracy, precision and recall of each class, macro F1, confusion matrix.

    Where the labels have them, also the kind of image (accuracy, recall of each kind) and what image and text have in
    common (cmi: rank correlation with the labels).

    As in a build, the model is told the alternative text and, beside a mention, the caption of each figure, where the
    document of the pair lies below --root.

    Example:

        abs-index evaluate labels.jsonl --root corpora/ --split test --draw active --agreed
        abs-index evaluate labels.jsonl --root corpora/ --split test --figure-text --cache words/
    """
    from dataclasses import asdict

    from abs_index.cli.labelled import read_told_labels
    from abs_index.model.load import load_model
    from abs_index.training.evaluation import evaluate as score_model
    from abs_index.training.labelled import Selection, read_labels

    folder = root or labels.parent
    chosen = Selection(
        split=split.value if split else None,
        draw=draw.value if draw else None,
        agreed=agreed,
    )
    pairs = read_told_labels(labels, folder, chosen, quiet=quiet) if documents else read_labels(labels, folder, chosen)
    network = load_model(model, device=device.value)
    words = _read_figures(pairs, folder, cache, quiet) if figure_text else None
    with console.progress("evaluating", quiet=quiet) as advance:
        result = score_model(network, pairs, folder, advance, words)
    if json:
        console.write_json(asdict(result))
    else:
        print_evaluation(result)


def _read_figures(pairs: Sequence[LabelledPair], folder: Path, cache: Path | None, quiet: bool) -> dict[str, str]:
    from abs_index.corpus.figure_text import RapidReader
    from abs_index.training.figure_words import read_figure_words

    with console.progress("reading words in figures", unit="images", quiet=quiet) as advance:
        names = sorted({pair.image for pair in pairs})
        return read_figure_words(RapidReader(), names, folder, cache, advance)


def print_evaluation(result: Evaluation) -> None:
    """Scores as text, on standard output."""
    console.write(f"{result.n} pairs: accuracy {result.accuracy:.1%}, macro F1 {result.macro_f1:.3f}")
    console.write(f"expected calibration error {result.calibration_error:.3f}")
    console.write("")
    _print_classes("abs", result.per_class)
    console.write("")
    console.write(
        f"{'truth, then predicted:':22}" + "".join(f"{label.replace('_more_abstract', ' >'):>10}" for label in ABS)
    )
    for label, row in zip(ABS, result.confusion, strict=True):
        console.write(f"{label:22}" + "".join(f"{count:10d}" for count in row))
    if result.kind_accuracy is not None:
        console.write(f"\nkind: accuracy {result.kind_accuracy:.1%}\n")
        _print_classes("kind", result.per_kind)
    if result.cmi_pairs:
        said = "not defined" if result.cmi_correlation is None else f"{result.cmi_correlation:.3f}"
        console.write(f"\ncmi: rank correlation with the labels {said} ({result.cmi_pairs} pairs)")


def _print_classes(title: str, scores: Mapping[str, ClassScore]) -> None:
    console.write(f"{title:22}{'precision':>10}{'recall':>10}{'F1':>10}{'pairs':>10}")
    for label, one in scores.items():
        console.write(f"{label:22}{one.precision:10.3f}{one.recall:10.3f}{one.f1:10.3f}{one.support:10d}")
