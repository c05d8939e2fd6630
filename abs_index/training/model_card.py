"""What came out of fine-tuning, and the card of a fine-tuned model that says what it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from abs_index.labels import ABS
from abs_index.model.folder import CARD, ModelFolder
from abs_index.model.hub import hub_name
from abs_index.training.evaluation import Evaluation
from abs_index.training.labelled import LabelledPair


@dataclass(frozen=True, slots=True)
class FineTuned:
    """Scores on the validation pairs, of the old and of the new model, and what these pairs decided.

    `way` is how far the weights went from the old ones (0) to those at the end of the training (1); `kernel` says in
    words what became of the kernel machine, and `share` is its weight in the answer.
    """

    before: Evaluation
    after: Evaluation
    way: float
    kernel: str
    share: float


def describe(
    base: ModelFolder,
    name: str,
    result: FineTuned,
    training: Sequence[LabelledPair],
    validation: Sequence[LabelledPair],
    settings: Mapping[str, object],
) -> str:
    """The card, in Markdown. The card of the old model, which stays true of what was kept, is its last part."""
    source = hub_name(base.path)
    origin = f"`{base.info.name}`" + (f" (`{source}`)" if source else "")
    parts = [
        f"# Model `{name}`",
        f"Fine-tuned from model {origin}, fingerprint `{base.info.fingerprint}`, with `abs-index train classifier`. "
        "The image network, the vocabulary, the word vectors and the layer of the pair embedding are those of that "
        "model.",
        "## How it was made",
        "\n".join(f"- {key}: {value}" for key, value in settings.items()),
        f"The validation pairs decided that the weights went {result.way:.0%} of the way from the old ones to those at "
        f"the end of the training, and that the kernel machine is {result.kernel} (share {result.share:g}).",
        "## Data",
        f"{len(training):,} pairs of {len({pair.image for pair in training}):,} images to learn from, "
        f"{len(validation):,} to decide and calibrate by. The labels do not say who made them, and under which licence "
        "texts and images are: add it here before the model is passed on.",
        _count_sources(training),
        "## How good it is",
        "On the validation pairs, which also decided on the model: expect a little less elsewhere, and measure with "
        "`abs-index evaluate --split test`.",
        _compare(result),
        "## The model that it was made from",
        _old_card(base.path),
    ]
    return "\n\n".join(parts) + "\n"


def _count_sources(pairs: Sequence[LabelledPair]) -> str:
    counts: Counter[tuple[str, str]] = Counter((_source(pair), pair.abs) for pair in pairs)
    lines = [_row("source of training pairs", *(label.replace("_", " ") for label in ABS)), "|---|---|---|---|"]
    sources = sorted({source for source, _ in counts})
    lines += [_row(source, *(f"{counts[source, label]:,}" for label in ABS)) for source in sources]
    return "\n".join(lines)


def _source(pair: LabelledPair) -> str:
    """The corpus, else the first folder of document or image."""
    if pair.corpus:
        return pair.corpus
    folders = PurePosixPath(pair.document or pair.image).parts[:-1]
    return folders[0] if folders else "without a folder"


def _compare(result: FineTuned) -> str:
    lines = [
        _row("model", "pairs", "accuracy", "macro F1", *(f"recall: {label.replace('_', ' ')}" for label in ABS), "ECE"),
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in (("before", result.before), ("after", result.after)):
        recalls = (f"{one.per_class[label].recall:.2f}" for label in ABS)
        lines.append(
            _row(name, one.n, f"{one.accuracy:.3f}", f"{one.macro_f1:.3f}", *recalls, f"{one.calibration_error:.3f}")
        )
    return "\n".join(lines)


def _row(*cells: object) -> str:
    """A row of a table; a name in it may hold anything."""
    return "| " + " | ".join(" ".join(str(cell).replace("|", "\\|").split()) for cell in cells) + " |"


def _old_card(folder: Path) -> str:
    """The card of a model, its headings two levels down."""
    path = folder / CARD
    if not path.is_file():
        return "It has no card."
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"##{line}" if line.startswith("#") else line for line in lines)
