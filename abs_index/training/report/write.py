"""`abs-index report`: trainings, a corpus and labels to a folder of Markdown and pictures.

README.md               Tables 2 to 5 of the paper, ours beside the published values; holds nothing of the documents
accuracy.png, ...       the plots in it
third-party/README.md   Figures 5 and 6, which show pictures and texts of documents; git leaves this folder alone
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abs_index.corpus.stats import SourceStats, collect_stats
from abs_index.errors import LabelsError, ModelError, UsageError
from abs_index.model.base import PairModel
from abs_index.training.corpus_pairs import read_pairs
from abs_index.training.labelled import LabelledPair
from abs_index.training.loss_log import draw_curves
from abs_index.training.pretrain import PAIRS, hold_out
from abs_index.training.report import plots, published, tables
from abs_index.training.report.markdown import percent, plain, table
from abs_index.training.report.pictures import (
    Reconstructed,
    choose,
    choose_answers,
    draw_answers,
    draw_reconstructions,
    join_sentences,
    reconstruct,
)
from abs_index.training.report.results import Result, try_classifier, try_guess, try_model
from abs_index.training.report.runs import ClassifierRun, Pretraining, open_classifiers, open_pretraining
from abs_index.training.report.unseen import HEADING, unseen_blocks
from abs_index.training.sources import read_sources

PAGE, THIRD_PARTY = "README.md", "third-party"

_EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class ReportSources:
    """What a report is made from; what is left out is not in it.

    `corpora` for Table 2; `labels` with their `images` and `annotator` (who made the labels, in words) for Tables 3 to
    5; `pretraining` and `classifiers` are folders of trainings; `models` are scored on the same pairs beside them;
    `unseen` are folders of `train sources`.
    """

    corpora: Sequence[Path] = ()
    labels: Sequence[LabelledPair] = ()
    images: Path = Path()
    annotator: str = ""
    pretraining: Path | None = None
    classifiers: Sequence[Path] = ()
    models: Sequence[PairModel] = field(default_factory=tuple)
    unseen: Sequence[Path] = ()


def write_report(sources: ReportSources, output: Path, note: Callable[[str], None] | None = None) -> Path:
    """Writes the report into a folder and gives the path of its page. `note` is told what is being done.

    Raises UsageError where there is nothing to report on, LabelsError where classifiers are to be scored and no pair is
    of split `test`, ModelError for a folder that holds no training or cannot be written; and what reading a corpus or
    pictures raises.
    """
    if not (sources.corpora or sources.labels or sources.pretraining or sources.unseen):
        raise UsageError("nothing to report on: give --corpus, --labels, --pretrained or --sources")
    _make_folder(output)
    tell = note or (lambda _: None)
    writer = _Writer(sources, output, tell)
    sections = [writer.corpus(), writer.labels(), writer.pretraining(), *writer.classifiers(), writer.unseen()]
    _write(output / PAGE, [_HEAD, *(section for section in sections if section)])
    _write(output / THIRD_PARTY / PAGE, [_THIRD_PARTY_HEAD, *writer.third_party])
    return output / PAGE


_HEAD = f"""# The paper's tables and figures, from these data

Made by `abs-index report`. Values of the paper (Otto, Holzki, Ewerth: "Is this an example image?", ECIR 2019) stand \
in the same tables; one that we do not have reads "{published.NOT_AT_HAND}". The paper trained on other documents, \
with other labels and on other hardware: its values say what the method reached there.

Figures 5 and 6 show pictures and texts of documents and are in `{THIRD_PARTY}/`, which is not meant to be passed on."""

_THIRD_PARTY_HEAD = """# Figures 5 and 6

Pictures and texts on this page are those of the documents: do not pass them on without looking at their licences."""


class _Writer:
    """Makes the sections one after the other."""

    def __init__(self, sources: ReportSources, output: Path, tell: Callable[[str], None]) -> None:
        self._sources, self._output, self._tell = sources, output, tell
        self.third_party: list[str] = []

    def corpus(self) -> str:
        """Table 2."""
        if not self._sources.corpora:
            return ""
        self._tell("reading the corpora")
        counts = collect_stats(self._sources.corpora)
        return _section("Table 2: corpus", _say_corpus(counts), tables.corpus_table(counts))

    def labels(self) -> str:
        """Table 3."""
        pairs = self._sources.labels
        if not pairs:
            return ""
        return _section("Table 3: labels", f"Annotator: {self._annotator}.", tables.labels_table(pairs))

    def pretraining(self) -> str:
        """The losses of the pretraining; Figure 5 goes to the third parties' page."""
        if self._sources.pretraining is None:
            return ""
        run = open_pretraining(self._sources.pretraining)
        self._tell("reconstructing pairs")
        made, whence = _reconstructions(run)
        plots.save_picture(draw_reconstructions(made), self._output / THIRD_PARTY / "figure5.png")
        self.third_party.append(_figure_5(run, whence, made))
        names = [name for name in run.log[-1] if name not in ("step", "rate", "gradient")]
        draw_curves(run.log, names, self._output / "pretraining.png")
        return _section("Figure 5: reconstructions", _say_pretraining(run, whence), _losses(run))

    def classifiers(self) -> list[str]:
        """Tables 4 and 5; Figure 6 goes to the third parties' page."""
        runs = open_classifiers(list(self._sources.classifiers))
        if not runs:
            return []
        results = self._results(runs)
        best = runs[-1]
        shown = results[len(runs) - 1]
        plots.save_picture(plots.draw_confusions(shown.scores), self._output / "confusion.png")
        plots.save_picture(plots.draw_accuracies(results), self._output / "accuracy.png")
        plots.draw_losses(runs, self._output / "classifiers.png")
        self._draw_answers(shown, best)
        return [self._table_4(shown, best), self._table_5(results, runs)]

    def unseen(self) -> str:
        """A table that the paper does not have: scores on books and journals that a training had not seen."""
        if not self._sources.unseen:
            return ""
        blocks = [unseen_blocks(read_sources(folder), self._annotator) for folder in self._sources.unseen]
        return _section(HEADING, *(block for some in blocks for block in some))

    @property
    def _annotator(self) -> str:
        return self._sources.annotator or "not stated"

    def _test_pairs(self) -> list[LabelledPair]:
        pairs = [pair for pair in self._sources.labels if pair.split == "test"]
        if not pairs:
            raise LabelsError("classifiers are scored on pairs of split 'test', and there are none: give --labels")
        return pairs

    def _results(self, runs: Sequence[ClassifierRun]) -> list[Result]:
        pairs, images = self._test_pairs(), self._sources.images
        results = []
        with tempfile.TemporaryDirectory() as cache:
            for run in runs:
                self._tell(f"scoring the classifier of regime {run.regime}")
                results.append(try_classifier(run, pairs, images, Path(cache)))
        for model in self._sources.models:
            self._tell(f"scoring model {model.info.name}")
            results.append(try_model(model, pairs, images))
        training = [pair for pair in self._sources.labels if pair.split == "train"]
        return [*results, try_guess(training, pairs)] if training else results

    def _table_4(self, result: Result, run: ClassifierRun) -> str:
        heading = f"Table 4: confusion matrix, precision and recall (CL\\_{run.regime})"
        blocks = [f"![Confusion matrices: {result.name}](confusion.png)"]
        for name, one in result.scores.items():
            said = f"**{name}**: {one.n:,} pairs, accuracy {percent(one.accuracy)}, macro F1 {one.macro_f1:.3f}"
            blocks.append(f"{said}\n\n{tables.confusion_table(one)}")
        return _section(heading, f"{_sentence(run)} Labels: {self._annotator}.", *blocks)

    def _table_5(self, results: Sequence[Result], runs: Sequence[ClassifierRun]) -> str:
        said = "\n".join(f"- CL\\_{run.regime}: {_sentence(run)}" for run in runs)
        about = (
            f"Labels: {self._annotator}. Mean recall is the accuracy on classes of the same size: the paper tested on "
            f"{published.TEST_PAIRS_OF_A_CLASS} pairs a class, after {published.CLASSIFIER} (with its pretraining of "
            f"{published.PRETRAINING}).\n\n{said}"
        )
        pictures = "![Accuracy of each regime](accuracy.png)\n\n![Losses of the classifiers](classifiers.png)"
        return _section("Table 5: three regimes", about, tables.regimes_table(results), pictures)

    def _draw_answers(self, result: Result, run: ClassifierRun) -> None:
        pairs = self._test_pairs()
        rows = choose_answers(result, pairs)
        picture = draw_answers(result, pairs, rows, self._sources.images)
        plots.save_picture(picture, self._output / THIRD_PARTY / "figure6.png")
        said = f"CL\\_{run.regime}: {_sentence(run)} Labels: {self._annotator}. Pairs of split `test`, drawn by chance."
        texts = [f"{number}. {plain(pairs[row].text)}" for number, row in enumerate(rows, start=1)]
        self.third_party.append(_section("Figure 6: right and wrong answers", said, "![Figure 6](figure6.png)", *texts))


def _say_corpus(counts: Sequence[SourceStats]) -> str:
    refused = sum(one.rejects.total() for one in counts)
    return (
        "Figures are those with a picture that can be read; captions and mentions are the pairs of these figures. "
        f"{refused:,} documents and pictures were refused (`abs-index stats` gives the reasons)."
    )


def _reconstructions(run: Pretraining) -> tuple[list[Reconstructed], str]:
    """Some pairs of the corpus of a pretraining, and where they are from: held-out documents where there are any."""
    learnt, held_out = hold_out(read_pairs(run.folder / PAIRS), run.settings.pretraining.held_out)
    whence = "from documents that were held out" if held_out else "that were learnt from"
    return reconstruct(run, choose(held_out or learnt, _EXAMPLES)), whence


def _figure_5(run: Pretraining, whence: str, made: Sequence[Reconstructed]) -> str:
    said = (
        f"Pairs {whence}, drawn by chance. {_sentence(run)} Texts are as the network reads them, with `<unk>` for "
        "words that its vocabulary lacks; a reconstructed word is the one whose vector is nearest, by the cosine."
    )
    texts = [
        f"{number}. {plain(join_sentences(one.words))}\n\n   *{plain(join_sentences(one.said))}*"
        for number, one in enumerate(made, start=1)
    ]
    return _section("Figure 5: originals beside reconstructions", said, "![Figure 5](figure5.png)", *texts)


def _say_pretraining(run: Pretraining, whence: str) -> str:
    words = f"{len(run.words.vocabulary):,} words, which are {percent(run.words.coverage)} of all in the texts"
    return (
        f"{_sentence(run)} Vocabulary: {words}. The paper: {published.PRETRAINING}, losses {published.NOT_AT_HAND}. "
        f"The figure itself, of pairs {whence}, is in `{THIRD_PARTY}/`; here is what was lost, of the picture (mean "
        "squared error, on the scale of -1 to 1) and of the text (mean cosine distance of the words)."
    )


def _losses(run: Pretraining) -> str:
    ends = {"first": run.log[0], "last": run.log[-1]}
    names = ("image", "text", "held_out_image", "held_out_text")
    rows = [
        (f"{end}, step {int(row['step']):,}", *(f"{row[name]:.3f}" if name in row else "–" for name in names))
        for end, row in ends.items()
    ]
    headings = ("mean of the steps before", "picture", "text", "picture, held out", "text, held out")
    return f"{table(headings, rows)}\n\n![Losses of the pretraining](pretraining.png)"


def _sentence(run: Pretraining | ClassifierRun) -> str:
    said = run.describe()
    return f"{said[0].upper()}{said[1:]}."


def _section(heading: str, *blocks: str) -> str:
    return "\n\n".join([f"## {heading}", *blocks])


def _make_folder(output: Path) -> None:
    try:
        (output / THIRD_PARTY).mkdir(parents=True, exist_ok=True)
        (output / THIRD_PARTY / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{output}: cannot be written: {error.strerror}") from None


def _write(path: Path, sections: Sequence[str]) -> None:
    try:
        path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}") from None
