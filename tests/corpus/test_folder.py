from __future__ import annotations

import errno
import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.corpus.document import Reject
from abs_index.corpus.folder import FolderFiles
from abs_index.corpus.rejects import TOO_LARGE, UNREADABLE, UNSAFE_MEMBER
from abs_index.errors import RejectedError
from abs_index.recipe import CorpusSettings
from tests.corpus.inputs import write_tree

DEFAULTS = CorpusSettings()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(
        tmp_path / "tree", {"b.xml": b"bb", "a/x.png": b"xxx", "a/y/z.png": b"z", "a.txt": b"", "a-b/c": b"c"}
    )


def test_names_are_sorted_as_whole_paths(tree: Path) -> None:
    names = list(FolderFiles(tree, DEFAULTS).names())
    assert names == sorted(names) == ["a-b/c", "a.txt", "a/x.png", "a/y/z.png", "b.xml"]


def test_folders_sizes_and_contents(tree: Path) -> None:
    files = FolderFiles(tree, DEFAULTS)
    assert files.list_folder("") == ("a.txt", "b.xml")
    assert files.list_folder("a") == ("a/x.png",)
    assert files.list_folder("missing") == ()
    assert (files.size("a/x.png"), files.size("a"), files.size("missing")) == (3, None, None)
    assert files.read("a/x.png") == b"xxx"
    assert files.head("a/x.png", 2) == b"xx"
    assert files.prefix == ""


def test_an_instance_can_travel_to_another_process(tree: Path) -> None:
    copy = pickle.loads(pickle.dumps(FolderFiles(tree, DEFAULTS)))
    assert copy.read("b.xml") == b"bb"
    assert copy.list_folder("a") == ("a/x.png",)


def test_junk_is_neither_found_nor_counted(tree: Path) -> None:
    desktop = ["a/._x.png", "__MACOSX/a/b.xml", ".DS_Store", "a/Thumbs.db", "b.xml~", "~$b.xml", ".~lock.b.xml#"]
    write_tree(tree, dict.fromkeys([*desktop, ".git/x.xml", ".ipynb_checkpoints/b.xml"], b"1"))
    files = FolderFiles(tree, DEFAULTS)
    assert not any(isinstance(entry, Reject) for entry in files.walk())
    assert len(list(files.names())) == 5
    assert files.list_folder("a") == ("a/x.png",)
    assert files.size("a/._x.png") is None


def test_too_large_a_file(tree: Path) -> None:
    files = FolderFiles(tree, CorpusSettings(max_file_bytes=2))
    assert files.read("b.xml") == b"bb"
    with pytest.raises(RejectedError, match=f"{TOO_LARGE}.*2 bytes.*max_file_bytes"):
        files.read("a/x.png")
    assert files.read("a/x.png", limit=3) == b"xxx"


@pytest.mark.parametrize(
    "name", ["../secret.xml", "a/../../secret.xml", "/etc/passwd", "a\0b", "link.xml", "linked/secret.xml"]
)
def test_nothing_outside_is_read(tree: Path, name: str) -> None:
    secret = tree.parent / "secret.xml"
    secret.write_bytes(b"secret")
    (tree / "link.xml").symlink_to(secret)
    (tree / "linked").symlink_to(tree.parent)
    files = FolderFiles(tree, DEFAULTS)
    assert files.size(name) is None
    with pytest.raises(RejectedError):
        files.read(name)
    assert files.list_folder("linked") == ()


def test_links_that_lead_out_are_rejects_and_links_inside_are_files(tree: Path) -> None:
    (tree / "out.xml").symlink_to("/etc/passwd")
    (tree / "out").symlink_to("/etc")
    (tree / "in.xml").symlink_to(tree / "b.xml")
    (tree / "loop").symlink_to(tree)
    (tree / "gone.xml").symlink_to(tree / "nothing.xml")
    files = FolderFiles(tree, DEFAULTS)
    entries = list(files.walk())
    assert [(e.path, e.reason) for e in entries if isinstance(e, Reject)] == [
        ("gone.xml", UNREADABLE),
        ("out", UNSAFE_MEMBER),
        ("out.xml", UNSAFE_MEMBER),
    ]
    assert "in.xml" in entries
    assert files.read("in.xml") == b"bb"
    assert not any(str(entry).startswith("loop") for entry in entries if isinstance(entry, str))
    assert files.read("loop/b.xml") == b"bb"


def test_pipes_and_sockets_are_not_waited_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tree / "pipe.xml")
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket.xml")
        files = FolderFiles(tree, DEFAULTS)
        refused = [entry.path for entry in files.walk() if isinstance(entry, Reject)]
    assert refused == ["pipe.xml", "socket.xml"]
    for name in refused:
        assert files.size(name) is None
        with pytest.raises(RejectedError):
            files.read(name)


def test_a_link_to_the_root_is_a_root(tree: Path) -> None:
    link = tree.parent / "link"
    link.symlink_to(tree)
    assert len(list(FolderFiles(link, DEFAULTS).names())) == 5


def test_no_permission(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a fake, as tests may run with every permission."""

    def refuse(path: object, *_: object, **__: object) -> Iterator[None]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    files = FolderFiles(tree, DEFAULTS)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(RejectedError, match="cannot be read: Permission denied"):
            files.read("b.xml")
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: refuse(path) if str(path).endswith("/y") else scan(path))
    entries = list(files.walk())
    assert Reject("a/y", UNREADABLE, "Permission denied") in entries
    assert "b.xml" in entries


def test_names_that_are_not_utf_8_are_rejects(tree: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9.xml")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    entries = [entry for entry in FolderFiles(tree, DEFAULTS).walk() if isinstance(entry, Reject)]
    assert [(e.path, e.detail) for e in entries] == [("caf\ufffd.xml", "the name is not UTF-8")]
