"""The shared cases on reading: small inputs on which programs of this kind have failed, with the right result.

They lie beside the repository and are not part of it; where they are missing, these tests are skipped.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from abs_index.corpus.document import Document, Figure, Group, Reject
from abs_index.corpus.images import DecodedImage, decode_figure
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.read import read_corpus

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
AREAS = {"jats", "cnxml", "html", "archive", "image"}

Json = dict[str, Any]


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*/case.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        if case["area"] in AREAS:
            yield pytest.param(path.parent, case, id=case["name"])


ALL = list(cases())
if not ALL:
    pytest.skip("the shared cases (../shared/cases) are not here", allow_module_level=True)


@dataclass(frozen=True)
class Seen:
    """What came out of a case: documents with their usable figures, and all rejects."""

    documents: list[Document]
    figures: list[tuple[Document, Figure, DecodedImage]]
    rejects: list[Reject]


def read(folder: Path, case: Json) -> Seen:
    root = folder / re.search(r"build (\S+)", case["run"])[1]  # type: ignore[index]
    seen = Seen([], [], [])
    for item in read_corpus([root]):
        if isinstance(item, Reject):
            seen.rejects.append(item)
            continue
        seen.documents.append(item)
        seen.rejects.extend(item.rejects)
        for figure in item.figures:
            _, image, rejects = decode_figure(item, figure)
            seen.rejects.extend(rejects)
            if image:
                seen.figures.append((item, figure, image))
    return seen


def single(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").split())


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_numbers(folder: Path, case: Json) -> None:
    expected, seen = case["expected"], read(folder, case)
    if isinstance(expected.get("documents"), int):
        assert len(seen.documents) == expected["documents"]
    figures = expected.get("figures_with_picture", expected.get("image_records", expected.get("figures")))
    if isinstance(figures, int) and "either" not in expected:
        assert len(seen.figures) == figures
    if "pictures" in expected:
        assert sum(len(figure.images) for _, figure, _ in seen.figures) == expected["pictures"]
    if isinstance(expected.get("reject_lines"), int):
        assert len(seen.rejects) == expected["reject_lines"]
    captions_ = [pair for document in seen.documents for pair in pair_document(document) if pair.role == "caption"]
    assert all(pair.text.normalised.strip() and pair.text.raw.strip() for pair in captions_)
    assert len(captions_) == expected.get("caption_pairs", len(captions_))
    # No picture twice in one figure; no figure twice in one document.
    assert all(len(set(figure.images)) == len(figure.images) for _, figure, _ in seen.figures)
    assert len({(document.path, figure.id) for document, figure, _ in seen.figures}) == len(seen.figures)


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_figures(folder: Path, case: Json) -> None:
    seen = read(folder, case)
    for wanted in case["expected"].get("figure_list", ()):
        document, figure = figure_of(seen, wanted)
        assert wanted.get("id") in (None, figure.id)
        assert wanted["label"] in ("", figure.label)
        caption = single(" ".join([wanted["caption"], *wanted.get("image_captions", {}).values()]))
        if "-" in str(wanted.get("document")):  # one file is in an encoding without dashes, as the case says there
            caption = caption.replace("–", "-")
        assert caption in captions(figure)
        assert wanted.get("alt", figure.alt) == figure.alt
        group = wanted.get("group")
        if group:
            assert figure.group is not None
            assert (figure.group.id, figure.group.label) == (group["id"], group["label"])
            assert figure.group.caption.normalised == group["caption"]
        outer = wanted.get("group_caption", wanted.get("outer_caption", ""))
        assert not outer or any(outer in text for text in captions(figure.group))
        assert document.files.size(figure.images[0])


def figure_of(seen: Seen, wanted: Json) -> tuple[Document, Figure]:
    """The one usable figure with the expected pictures."""
    found = []
    for document, figure, _ in seen.figures:
        names = [document.files.prefix + name for name in figure.images]
        is_here = str(wanted.get("document", "")).split(" ")[0] in document.path
        same = len(names) == len(wanted["images"]) and all(map(str.endswith, names, wanted["images"]))
        if is_here and same:
            found.append((document, figure))
    assert len(found) == 1, f"{len(found)} figures with {wanted['images']}"
    return found[0]


def captions(figure: Figure | Group | None) -> set[str]:
    """The caption in the forms that are right: with its label or without, normalised or raw."""
    if figure is None:
        return set()
    texts = {single(figure.caption.normalised), single(figure.caption.raw)}
    return texts | {single(f"{figure.label}{gap}{text}") for text in texts for gap in (" ", ". ", ": ")}


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_mentions(folder: Path, case: Json) -> None:
    expected, seen = case["expected"], read(folder, case)
    if "mentions" not in expected:
        return
    usable = {(document.path, figure.id) for document, figure, _ in seen.figures}
    left = [
        (document, pair.figure, {single(pair.text.normalised), single(pair.text.raw)})
        for document in seen.documents
        for pair in pair_document(document)
        if pair.role == "mention" and (document.path, pair.figure) in usable
    ]
    for wanted in expected["mentions"]:
        found = [mention for mention in left if is_wanted(mention, wanted)]
        assert found, wanted
        # The same paragraph gives one pair a figure, also where several documents say the same.
        assert len({document.path for document, _, _ in found}) == len(found), wanted
        left = [mention for mention in left if mention not in found]
    optional = expected.get("optional_mentions", ())
    assert [mention for mention in left if not any(is_wanted(mention, each) for each in optional)] == []


def is_wanted(mention: tuple[Document, str, set[str]], wanted: Json) -> bool:
    document, figure, texts = mention
    figure_id, _, where = wanted["figure"].partition(" of ")
    if where and not where.startswith("each"):
        wanted = wanted | {"document": where}
    if figure_id != figure or wanted.get("document", "") not in document.path:
        return False
    if "starts with" in wanted.get("match", ""):
        return any(text.startswith(single(wanted["text"])) for text in texts)
    return single(wanted["text"]) in texts


OTHERWISE_READ = {"says_utf16_is_utf8.xml", "external.xml", "parameter.xml"}
"""Files that may be rejected or read, as their cases say."""


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_rejects(folder: Path, case: Json) -> None:
    seen = read(folder, case)
    lines = [f"{reject.path} {reject.detail}" for reject in seen.rejects]
    for name in case["expected"].get("rejected", ()):
        assert name in OTHERWISE_READ or any(name in line for line in lines), name
    for figure in case["expected"].get("without_picture", ()):
        assert figure in {reject.figure for reject in seen.rejects}
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_nothing_secret_is_read(folder: Path, case: Json) -> None:
    seen = read(folder, case)
    words = repr(seen.documents) + repr(seen.rejects)
    assert "MARKER-7f3a-SECRET" not in words
    assert "root:x:0" not in words


# What must be in no text of a case, be it label, caption, alt text or paragraph.
NOWHERE = {
    "08": ["10.5555/clip.1"],
    "19": ["old wording", "page 12", "f9", "mid dle"],
    "21": ["GrÃ", "\ufffd", "\x96"],
    "28": ["lidSummary", "trialssecond", "Lactucasativa", "sativa.Scale", "CO 2", "H 2 O"],
    "38": ["blocks.Second", "hidden"],
    "42": ["KÃ", "\ufffd"],
}
# What must be in no paragraph, because it is a caption, nor in a caption, because it is something else.
NOT_IN_MENTIONS = {
    "01": ["Cress shoots under a lamp", "Leaves were left alone"],
    "37": ["Bell in a paragraph."],
    "42": ["Käse jar"],
}
NOT_IN_CAPTIONS = {"38": ["alt of a"], "40": ["Sizes"]}
MUST_BE_SOMEWHERE = {"06": ["Measured and modelled water flow"], "35": ["Ways to tell the time"]}


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_words(folder: Path, case: Json) -> None:
    seen, number = read(folder, case), case["name"][:2]
    figures = [figure for document in seen.documents for figure in document.figures]
    mentions = [mention.text for document in seen.documents for mention in document.mentions]
    texts = [figure.caption for figure in figures] + [figure.group.caption for figure in figures if figure.group]
    everything = [form for text in texts + mentions for form in (text.normalised, text.raw)]
    everything += [words for figure in figures for words in (figure.id, figure.label, figure.alt)]
    for phrase in NOWHERE.get(number, ()):
        assert not any(phrase in words for words in everything), phrase
    for phrase in NOT_IN_MENTIONS.get(number, ()):
        assert not any(phrase in text.raw for text in mentions), phrase
    for phrase in NOT_IN_CAPTIONS.get(number, ()):
        assert not any(phrase in text.raw for text in texts), phrase
    for phrase in MUST_BE_SOMEWHERE.get(number, ()):
        assert any(phrase in words for words in everything), phrase


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_nothing_is_written(folder: Path, case: Json) -> None:
    before = sorted(folder.parent.rglob("*"))
    read(folder, case)
    assert sorted(folder.parent.rglob("*")) == before


READ_IN_A_PROCESS = """
import json, resource, sys, time
from pathlib import Path
from abs_index.corpus.stats import collect_stats
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
collect_stats([Path(sys.argv[1])])
print(json.dumps([(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, time.monotonic() - start]))
"""


MEGABYTES = {"32": 200, "43": 200, "51": 200, "54": 1200, "56": 200}
HOSTILE = [each for each in ALL if each.id[:2] in MEGABYTES]


@pytest.mark.parametrize(("folder", "case"), HOSTILE)
def test_hostile_input_costs_little_and_prints_nothing(folder: Path, case: Json) -> None:
    command = [sys.executable, "-c", READ_IN_A_PROCESS, str(folder / "input")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    megabytes, seconds = json.loads(done.stdout)
    assert done.stderr == ""
    assert megabytes < MEGABYTES[case["name"][:2]]
    assert seconds < 30


COLOURS = {
    "cmyk.jpg": [(0.2, 0.5, (255, 0, 0)), (0.8, 0.5, (255, 255, 255))],
    "cmyk.tif": [(0.2, 0.5, (255, 0, 0)), (0.8, 0.5, (255, 255, 255))],
    "rgba.png": [(0.04, 0.04, (255, 255, 255)), (0.5, 0.5, (0, 0, 0))],
    "palette.png": [(0.04, 0.04, (255, 255, 255)), (0.5, 0.5, (0, 0, 0))],
    "la.png": [(0.04, 0.04, (255, 255, 255)), (0.5, 0.5, (0, 0, 0))],
    "rgbtrns.png": [(0.04, 0.04, (255, 255, 255)), (0.5, 0.5, (0, 0, 0))],
    "moving.gif": [(0.5, 0.5, (220, 30, 30))],
    "ghost.gif": [(0.5, 0.5, (255, 255, 255))],
    "pages.tif": [(0.5, 0.5, (20, 150, 150))],
    "ztxt.png": [(0.1, 0.1, (30, 160, 60))],
    "iccp.png": [(0.1, 0.1, (30, 60, 200))],
}


@pytest.mark.parametrize(("folder", "case"), ALL)
def test_colours(folder: Path, case: Json) -> None:
    for _, figure, decoded in read(folder, case).figures:
        for x, y, wanted in COLOURS.get(figure.images[0], ()):
            colour = decoded.image.getpixel((int(x * decoded.width), int(y * decoded.height)))
            assert isinstance(colour, tuple)
            assert all(abs(a - b) <= 30 for a, b in zip(colour, wanted, strict=True)), figure.images[0]
