"""Images of documents that are not trusted: only files below the folder, whatever a document says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from abs_index.enriching.images import ImageSource
from abs_index.errors import RejectedError, UsageError
from abs_index.recipe import CorpusSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    (root / "a.png").write_bytes(b"A")
    (root / "sub" / "fig:1 ä.png").write_bytes(b"B")
    (tmp_path / "secret.png").write_bytes(b"S")
    (tmp_path / "images-too").mkdir()
    (tmp_path / "images-too" / "x.png").write_bytes(b"S")
    (root / "link.png").symlink_to("sub/fig:1 ä.png")
    (root / "out.png").symlink_to("../secret.png")
    (root / "outer").symlink_to("..")
    os.mkfifo(root / "pipe.png")
    return root


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.png", b"A"), ("./a.png", b"A"), ("sub/../a.png", b"A"), ("sub/fig:1 ä.png", b"B"), ("link.png", b"B")],
)
def test_files_below_the_folder_are_read(root: Path, name: str, content: bytes) -> None:
    assert ImageSource(root, None, CorpusSettings()).read(name) == content


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.png", "image outside --image-root"),
        ("sub/../../secret.png", "image outside --image-root"),
        ("../images-too/x.png", "image outside --image-root"),
        ("out.png", "image outside --image-root"),
        ("outer/secret.png", "image outside --image-root"),
        ("/etc/passwd", "image outside --image-root"),
        ("/a.png", "image outside --image-root"),
        ("//host/a.png", "image outside --image-root"),
        ("~/a.png", "image outside --image-root"),
        ("b.png", "image file missing"),
        ("sub", "image file missing"),
        ("a.png/b", "image file missing"),
        ("pipe.png", "image file missing"),
        ("a\0.png", "image file missing"),
        ("\ud800.png", "image file missing"),
        ("x" * 5000, "image file missing"),
        ("file:///etc/passwd", "kind of URL not supported"),
        ("data:image/png;base64,AAAA", "kind of URL not supported"),
        ("https://example.org/a.png", "host not allowed"),
    ],
)
def test_everything_else_is_refused(root: Path, name: str, reason: str) -> None:
    with pytest.raises(RejectedError) as caught:
        ImageSource(root, None, CorpusSettings()).read(name)
    assert caught.value.reason == reason


def test_absolute_paths_are_refused_even_inside(root: Path) -> None:
    with pytest.raises(RejectedError, match="image outside"):
        ImageSource(root, None, CorpusSettings()).read(str(root / "a.png"))


def test_files_have_a_largest_size(root: Path) -> None:
    (root / "large.png").write_bytes(b"x" * 11)
    with pytest.raises(RejectedError, match="file too large"):
        ImageSource(root, None, CorpusSettings(max_file_bytes=10)).read("large.png")


def test_folder_may_be_a_link_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(root)
    assert ImageSource(tmp_path / "here", None, CorpusSettings()).read("a.png") == b"A"


def test_folder_must_be_there(root: Path) -> None:
    with pytest.raises(UsageError, match=r"--image-root .*no such folder"):
        ImageSource(root / "a.png", None, CorpusSettings())
    with pytest.raises(RejectedError, match="file, but no --image-root"):
        ImageSource(None, None, CorpusSettings()).read("a.png")
