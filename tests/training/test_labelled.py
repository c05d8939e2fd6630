"""Files of labelled pairs, good and bad."""

import json
from pathlib import Path

import pytest

from abs_index.errors import LabelsError
from abs_index.labels import ABS, KINDS, ROLES
from abs_index.training.labelled import SHOWN_FAULTS, LabelledPair, Selection, read_labels, training_pairs

GOOD = {"text": "A cell.", "image": "a/b.png", "abs": "equal"}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(b"")
    return tmp_path


def write(folder: Path, *lines: object) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines), "utf-8")
    return path


def test_what_is_left_out_has_defaults(images: Path) -> None:
    (pair,) = read_labels(write(images, GOOD), images)
    assert (pair.role, pair.split, pair.confidence, pair.kind, pair.second) == ("mention", "train", 3, None, None)
    assert not pair.agreed


def test_a_selection_takes_what_it_names(images: Path) -> None:
    path = write(
        images,
        GOOD | {"id": "1", "split": "test", "draw": "active", "second": "equal"},
        GOOD | {"id": "2", "split": "test", "draw": "active", "second": "text_more_abstract"},
        GOOD | {"id": "3", "split": "test", "draw": "random", "second": "equal", "owner": "ignored"},
        "",
        GOOD | {"id": "4"},
    )
    ids = [pair.id for pair in read_labels(path, images, Selection(split="test", draw="active"))]
    assert ids == ["1", "2"]
    assert [pair.id for pair in read_labels(path, images, Selection(agreed=True))] == ["1", "3"]
    with pytest.raises(LabelsError, match="no pair is selected"):
        read_labels(path, images, Selection(split="validation"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON: .* at column"),
        ("[1]", "line 2: the line: .*dictionary"),
        (GOOD | {"abs": "more"}, "line 2: abs: Input should be 'image_more_abstract'.*not 'more'"),
        (GOOD | {"kind": "sketch"}, "line 2: kind: .*'sketch'"),
        (GOOD | {"cmi": 4}, "line 2: cmi: "),
        (GOOD | {"confidence": 0}, "line 2: confidence: "),
        ({"text": "x", "image": "a/b.png"}, "line 2: abs: Field required"),
        (GOOD | {"image": "a/c.png"}, "line 2: image 'a/c.png' is not below"),
        (GOOD | {"image": "../x.png"}, "line 2: image '../x.png' is not a path below"),
        (GOOD | {"image": "/etc/passwd"}, "line 2: image '/etc/passwd' is not a path below"),
        (GOOD | {"image": "..\\\\x.png"}, "line 2: image .* is not a path below"),
        (GOOD | {"image": "C:x.png"}, "line 2: image 'C:x.png' is not a path below"),
        (GOOD | {"image": "x" * 5000}, "line 2: image 'x+' is not below"),
        (GOOD | {"image": 3}, "line 2: image: .*string, not '3'"),
        (GOOD | {"id": "one"}, "line 2: id 'one' is on line 1 already"),
        (GOOD | {"text": " \t"}, "line 2: text: must hold a text, not"),
        (GOOD | {"confidence": True}, "line 2: confidence: "),
        (GOOD | {"cmi": True}, "line 2: cmi: "),
        (GOOD | {"cmi": 1.5}, "line 2: cmi: "),
        (GOOD | {"document": 7}, "line 2: document: "),
        ('{"abs": "equal", "abs": "equal"}', "line 2: key 'abs' is there twice"),
        ("9" * 5000, "line 2: .*digits"),
        ("[" * 100_000, "line 2: not JSON that can be read"),
    ],
)
def test_a_bad_line_is_named_by_its_number(images: Path, line: object, message: str) -> None:
    with pytest.raises(LabelsError, match=message) as caught:
        read_labels(write(images, GOOD | {"id": "one"}, line), images)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_empty(images: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read: No such file"):
        read_labels(images / "none.jsonl", images)
    with pytest.raises(LabelsError, match="no pair in it"):
        read_labels(write(images), images)
    (images / "binary.jsonl").write_bytes(b"\n\xff\xfe")
    with pytest.raises(LabelsError, match=r"binary.jsonl, line 2: not UTF-8"):
        read_labels(images / "binary.jsonl", images)


def test_all_faults_are_counted_and_the_first_ones_shown(images: Path) -> None:
    path = write(images, GOOD, *[GOOD | {"kind": "sketch", "abs": "more"}] * 3, "{", GOOD | {"image": "none.png"})
    with pytest.raises(LabelsError) as caught:
        read_labels(path, images)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: abs: ")
    assert message.count("line ") == SHOWN_FAULTS
    assert message.endswith("(8 errors in all, the first 5 shown)")
    with pytest.raises(LabelsError, match=r"line 2: abs: .*; line 2: kind: [^(]*$"):
        read_labels(write(images, GOOD, GOOD | {"kind": "sketch", "abs": "more"}), images)


def test_marks_and_line_ends_of_other_systems_are_no_faults(images: Path) -> None:
    path = images / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n\r\n")
    assert [pair.text for pair in read_labels(path, images)] == ["A cell."]


def test_one_label_alone_teaches_nothing() -> None:
    pairs = [LabelledPair.model_validate(GOOD), LabelledPair.model_validate(GOOD | {"split": "test", "abs": ABS[0]})]
    with pytest.raises(LabelsError, match="at least two different labels; all 1 have 'equal'"):
        training_pairs(pairs)
    with pytest.raises(LabelsError, match="two different labels; there is none"):
        training_pairs(pairs[1:])


def test_lines_of_the_guide_are_right(images: Path) -> None:
    """`docs/labels.md` shows lines and names every key."""
    guide = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
    lines = guide.partition("```json\n")[2].partition("```")[0].splitlines()
    for line in lines:
        (images / json.loads(line)["image"]).parent.mkdir(parents=True, exist_ok=True)
        (images / json.loads(line)["image"]).write_bytes(b"")
    assert len(read_labels(write(images, *lines), images)) == len(lines) >= 3
    assert [name for name in LabelledPair.model_fields if f"`{name}`" not in guide] == []
    assert [label for label in (*ABS, *KINDS, *ROLES) if f"`{label}`" not in guide] == []
