"""Files of labelled pairs, good and bad."""

import json
from pathlib import Path

import pytest

from abs_index.errors import LabelsError
from abs_index.training.labelled import Selection, read_labels

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
        (GOOD | {"id": "one"}, "line 2: id 'one' is on line 1 already"),
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
    (images / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(LabelsError, match="not UTF-8"):
        read_labels(images / "binary.jsonl", images)
