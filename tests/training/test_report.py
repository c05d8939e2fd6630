"""The report: the paper's tables with both sides in them, plots, and pictures of third parties in a folder apart."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import AbsIndexError, LabelsError, ModelError, UsageError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import PairPredictions
from abs_index.recipe import Recipe
from abs_index.training.classify import train_classifier
from abs_index.training.corpus_pairs import read_pairs
from abs_index.training.labelled import LabelledPair
from abs_index.training.pretrain import pretrain
from abs_index.training.regimes import REGIMES
from abs_index.training.report.pictures import choose_answers, reconstruct
from abs_index.training.report.results import mean_recall, parts, score_parts
from abs_index.training.report.runs import open_classifiers, open_pretraining
from abs_index.training.report.tables import labels_table, regimes_table
from abs_index.training.report.write import ReportSources, write_report
from tests.fakes import write_corpus
from tests.networks.paper_settings import TINY

SHORT = {"steps": 4}
RECIPE = Recipe(
    name="tiny",
    paper=TINY.model_copy(
        update={
            "image": TINY.image.model_copy(update={"fine_tune": False}),
            "pretraining": TINY.pretraining.model_copy(update=SHORT),
            "classifier": TINY.classifier.model_copy(update=SHORT),
        }
    ),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`corpus`, `images`, `labels.jsonl`, `pretrained`, and a classifier of each regime."""
    root = tmp_path_factory.mktemp("report")
    write_corpus(root / "corpus", documents=3, figures=2, mentions=1)
    (root / "images").mkdir()
    for number in range(3):
        Image.new("RGB", (60, 50), ("navy", "white", "olive")[number]).save(root / "images" / f"{number}.png")
    pairs = labelled()
    (root / "labels.jsonl").write_text("".join(pair.model_dump_json() + "\n" for pair in pairs), encoding="utf-8")
    pretrain(RECIPE, [root / "corpus"], root / "pretrained")
    for regime in REGIMES:
        train_classifier(RECIPE, regime, pairs, root / "images", root / regime, pretrained=root / "pretrained")
    return root


def labelled() -> list[LabelledPair]:
    """Of each split and draw three pairs, a class each; in the random draw, both passes agree on two of them."""
    return [
        LabelledPair(
            text=f"Wheel {number} turns | because of <b>water</b>.",
            image=f"{number}.png",
            abs=label,
            second=label if draw == "active" or number else "equal",
            kind="photo",
            cmi=2,
            split=split,
            draw=draw,
        )
        for split in ("train", "validation", "test")
        for draw in ("active", "random")
        for number, label in enumerate(ABS)
    ]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    """The whole report, by the command."""
    classifiers = [word for regime in REGIMES for word in ("--classifier", folder / regime)]
    made = run(
        *("report", "--output", folder / "report", "--corpus", folder / "corpus", "--annotator", "two students"),
        *("--labels", folder / "labels.jsonl", "--images", folder / "images"),
        *("--pretrained", folder / "pretrained", *classifiers),
    )
    assert made.exit_code == 0, made.output
    assert made.stdout == ""
    return folder / "report"


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the tables behind a heading, by their first cell; of like ones, the last."""
    section = page.partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_ours_and_the_papers_values_stand_in_the_same_tables(report: Path) -> None:
    page = (report / "README.md").read_text(encoding="utf-8")
    corpus = rows_of(page, "Table 2")
    assert corpus["**all**"] == ["3", "6", "6", "6", "12"]
    assert corpus["paper"] == ["8,674", *["not at hand"] * 3, "288,057"]
    labels = rows_of(page, "Table 3")
    assert labels["test random"] == ["1", "1", "1", "3", "3", "66.67 %"]
    assert labels["paper, test"][:4] == ["100", "100", "100", "300"]
    confusion = rows_of(page, "Table 4")
    assert sum(int(cell) for label in ABS for cell in confusion[f"`{label}`"][:3]) == 6  # of all test pairs, the last
    assert set(confusion["paper"]) == {"not at hand"}
    regimes = rows_of(page, "Table 5")
    published = {regime: regimes[f"CL\\_{regime}"][0] for regime in REGIMES}
    assert published == {"scratch": "77.00 %", "freeze": "77.33 %", "transfer": "80.33 %"}
    assert all(re.fullmatch(r"\d+\.\d\d %", cell) for regime in REGIMES for cell in regimes[f"CL\\_{regime}"])


def test_each_figure_says_recipe_schedule_hardware_and_annotator(report: Path) -> None:
    page = (report / "README.md").read_text(encoding="utf-8")
    third = (report / "third-party" / "README.md").read_text(encoding="utf-8")
    for text in (*page.split("\n## ")[3:], *third.split("\n## ")[1:]):
        assert "ecipe `tiny` (test_efficientnet, not fine-tuned, 40 pixels; 24 numbers" in text
        assert "4 steps of 3 pairs" in text
        assert "1 thread of a CPU (" in text
    for heading in ("Table 3", "Table 4", "Table 5"):
        assert "nnotator: two students" in page.partition(heading)[2] or "Labels: two students" in page
    assert "two students" in third.partition("Figure 6")[2]


def test_nothing_of_a_document_is_outside_of_the_folder_for_it(report: Path) -> None:
    assert {path.name for path in report.glob("*.png")} == {
        "accuracy.png",
        "classifiers.png",
        "confusion.png",
        "pretraining.png",
    }
    assert "Wheel" not in (report / "README.md").read_text(encoding="utf-8")
    assert (report / "third-party" / ".gitignore").read_text() == "*\n"
    for page in (report / "README.md", report / "third-party" / "README.md"):
        shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        assert shown
        for name in shown:
            with Image.open(page.parent / name) as picture:
                assert len(picture.getcolors(2**20) or ()) > 3


def test_reconstructions_are_those_of_the_network(folder: Path) -> None:
    opened = open_pretraining(folder / "pretrained")
    pairs = read_pairs(folder / "pretrained" / "pairs")[:2]
    one, _ = reconstruct(opened, pairs)
    with Image.open(folder / "pretrained" / "pairs" / pairs[0].image) as picture:
        assert (one.picture == np.asarray(picture)).all()
    assert one.made.shape == one.picture.shape
    assert [len(words) for words in one.words] == [len(words) for words in one.said]
    assert one.words[0][0] in (pairs[0].text.split()[0].lower(), "<unk>")
    assert not {"<pad>", "<unk>"} & {word for sentence in one.said for word in sentence}
    # A decoder that gives just the vectors of the words gives just the words.
    vectors = opened.words.vectors[torch.tensor([[2, 3, 4]])]
    from abs_index.training.report.pictures import _nearest

    assert _nearest(3 * vectors, opened.words.vectors, opened.words.vocabulary.words) == [
        list(opened.words.vocabulary.words[2:5])
    ]


def test_answers_that_are_shown_are_right_and_wrong_ones() -> None:
    pairs = [pair for pair in labelled() if pair.split == "test"]
    said = np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 2, 2]]
    kinds = np.full((6, len(KINDS)), 1 / len(KINDS), np.float32)
    predictions = PairPredictions(np.zeros((6, 1), np.float32), said, kinds, np.zeros(6, np.float32))
    result = score_parts("x", predictions, pairs)
    chosen = choose_answers(result, pairs)
    assert 3 not in chosen  # its passes do not agree
    right = [row for row in chosen if said[row].argmax() == ABS.index(pairs[row].abs)]
    assert len(right) == 3
    assert [row for row in chosen if row not in right] == [4]
    assert {name: len(rows) for name, rows in parts(pairs).items()} == {
        "active, both passes agree": 3,
        "random, both passes agree": 2,
        "all test pairs": 6,
    }
    assert result.scores["all test pairs"].accuracy == pytest.approx(4 / 6)
    assert mean_recall(result.scores["random, both passes agree"]) == pytest.approx(1 / 2)
    assert "| CL\\_freeze | 77.33 % | – |" in regimes_table([result])


def test_labels_without_draws_and_second_labels() -> None:
    pairs = [pair.model_copy(update={"draw": None, "second": None}) for pair in labelled()]
    assert list(parts(pairs)) == ["all test pairs"]
    assert "| test | 2 | 2 | 2 | 6 | 0 | – |" in labels_table(pairs)


def test_what_is_left_out_is_not_in_the_report(folder: Path, tmp_path: Path) -> None:
    page = write_report(ReportSources(corpora=[folder / "corpus"]), tmp_path).read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == ["Table 2: corpus"]


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    cases: list[tuple[ReportSources, type[AbsIndexError], str]] = [
        (ReportSources(), UsageError, "nothing to report on: give --corpus, --labels, --pretrained or --sources"),
        (ReportSources(corpora=[folder / "corpus"], classifiers=[folder / "freeze"]), LabelsError, "of split 'test'"),
        (ReportSources(pretraining=folder / "corpus"), ModelError, "no training in it that has come to its first"),
        (ReportSources(pretraining=folder / "freeze"), ModelError, "a classifier; a pretraining is wanted here"),
    ]
    for sources, kind, message in cases:
        with pytest.raises(kind, match=message):
            write_report(sources, tmp_path / "out")
    with pytest.raises(ModelError, match="no classifier in it"):
        open_classifiers([folder / "pretrained"])
    with pytest.raises(UsageError, match="two classifiers of regime 'freeze'"):
        open_classifiers([folder / "freeze", folder / "freeze"])
