from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from abs_index.corpus.document import Document, Reject
from abs_index.corpus.files import Files
from abs_index.corpus.folder import FolderFiles
from abs_index.corpus.read import read_corpus, read_sources
from abs_index.corpus.readers.jats import JatsReader
from abs_index.corpus.rejects import (
    ARCHIVE_TOO_LARGE,
    DAMAGED_ARCHIVE,
    DUPLICATE,
    EMPTY_FILE,
    NESTED_ARCHIVE,
    NOT_A_DOCUMENT,
    TOO_LARGE,
    UNREADABLE,
    UNSAFE_MEMBER,
)
from abs_index.errors import CorpusError, RejectedError
from abs_index.recipe import CorpusSettings
from tests.corpus.inputs import article, picture, write_tar, write_tree, write_zip

PNG = picture()
PACKAGE = {"pkg/a.xml": article("a.png"), "pkg/a.png": PNG}


def documents(*roots: Path) -> list[Document]:
    return [item for item in read_corpus(roots) if isinstance(item, Document)]


def rejects(*roots: Path, settings: CorpusSettings = CorpusSettings()) -> list[tuple[str, str]]:  # noqa: B008
    return [(item.path, item.reason) for item in read_corpus(roots, settings) if isinstance(item, Reject)]


def module(uuid: str, href: str = "") -> bytes:
    link = f'<para id="p1">See <link document="{href}" target-id="f1"/>.</para>' if href else ""
    figure = '<figure id="f1"><media alt="x"><image src="../../media/a.png"/></media><caption>Boat.</caption></figure>'
    metadata = f'<metadata xmlns:md="http://cnx.rice.edu/mdml"><md:uuid>{uuid}</md:uuid></metadata>'
    return (
        f'<document xmlns="http://cnx.rice.edu/cnxml"><title>T</title>{metadata}<content>{figure}{link}</content></document>'
    ).encode()


# --- what is read


@pytest.mark.parametrize("name", ["a.xml", "a.nxml", "a.jats", "a.txt", "a", "a.png"])
def test_documents_are_told_by_content_and_not_by_name(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {name: article("pic.png"), "pic.png": PNG})
    (document,) = documents(tmp_path)
    assert (document.path, document.format, document.figures[0].images) == (name, "jats", ("pic.png",))


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tgz", "p.dat"])
def test_packages_are_read_where_they_lie(tmp_path: Path, name: str) -> None:
    path = tmp_path / "sub" / name
    path.parent.mkdir()
    write_zip(path, PACKAGE) if name in ("p.zip", "p.dat") else write_tar(path, PACKAGE)
    (document,) = documents(tmp_path)
    assert document.path == document.id == f"sub/{name}/pkg/a.xml"
    assert document.files.prefix + document.figures[0].images[0] == f"sub/{name}/pkg/a.png"
    assert document.files.read("pkg/a.png") == PNG
    assert sorted(tmp_path.rglob("*")) == [path.parent, path]


def test_other_files_are_passed_over_without_a_word(tmp_path: Path) -> None:
    collection = b'<?xml version="1.0"?>\n<!-- a book -->\n<col:collection xmlns:col="http://cnx.rice.edu/collxml"/>'
    others = {
        "README.md": b"<p align='center'>A title</p>\n# Words",
        "LICENSE": b"Free",
        "style.css": b"p {}",
        "empty.txt": b"",
        "a.png": PNG,
        "a.pdf": b"%PDF-1.4",
        "table.csv.gz": b"\x1f\x8b\x08" + bytes(20),
        "collections/b.collection.xml": collection,
        "META-INF/container.xml": b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"/>',
    }
    write_tree(tmp_path, others | {"art.xml": article("a.png")})
    write_zip(tmp_path / "supplement.docx", {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"})
    assert [item.path for item in read_corpus([tmp_path])] == ["art.xml"]


def test_what_is_named_like_a_document_or_an_archive_and_is_none_is_a_reject(tmp_path: Path) -> None:
    names = {
        "binary.xml": bytes(range(256)),
        "empty.xml": b"",
        "other.nxml": b"<recipe/>",
        "blank.xml": b" " * 70_000,
        "page.html": b"just words",
        "text.tar.gz": b"not an archive",
        "empty.zip": b"",
        "packed.tar.xz": b"\xfd7zXZ\0",
    }
    write_tree(tmp_path, names)
    assert rejects(tmp_path) == [
        ("binary.xml", NOT_A_DOCUMENT),
        ("blank.xml", NOT_A_DOCUMENT),
        ("empty.xml", EMPTY_FILE),
        ("empty.zip", EMPTY_FILE),
        ("other.nxml", NOT_A_DOCUMENT),
        ("packed.tar.xz", NOT_A_DOCUMENT),
        ("page.html", NOT_A_DOCUMENT),
        ("text.tar.gz", DAMAGED_ARCHIVE),
    ]


def test_one_bad_thing_never_stops_the_others(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.xml": article("a.png")[:-40], "z.xml": article("a.png"), "a.png": PNG})
    for name, kept in (("b.zip", 60), ("c.tar.gz", 80)):
        path = (write_zip if name.endswith("zip") else write_tar)(tmp_path / name, PACKAGE)
        path.write_bytes(path.read_bytes()[:-kept])
    write_tar(tmp_path / "d.tar.gz", {"../evil.xml": article("a.png")} | PACKAGE)
    write_zip(tmp_path / "e.zip", PACKAGE | {"inner.zip": write_zip(tmp_path / "tmp", PACKAGE).read_bytes()})
    write_zip(tmp_path / "f.zip", {"bomb.xml": bytes(70 * 2**20)})
    (tmp_path / "tmp").unlink()
    (tmp_path / "g.xml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "h.xml")
    found = list(read_corpus([tmp_path]))
    assert [item.path for item in found if isinstance(item, Document)] == [
        "d.tar.gz/pkg/a.xml",
        "e.zip/pkg/a.xml",
        "z.xml",
    ]
    refused = [(item.path, item.reason) for item in found if isinstance(item, Reject)]
    assert refused[0][0] == "a.xml"
    assert refused[1:] == [
        ("b.zip", DAMAGED_ARCHIVE),
        ("c.tar.gz", DAMAGED_ARCHIVE),
        ("d.tar.gz/../evil.xml", UNSAFE_MEMBER),
        ("e.zip/inner.zip", NESTED_ARCHIVE),
        ("f.zip", ARCHIVE_TOO_LARGE),
        ("g.xml", UNSAFE_MEMBER),
        ("h.xml", UNREADABLE),
    ]


def test_a_document_over_the_limit(tmp_path: Path) -> None:
    write_tree(tmp_path, {"large.xml": article("a.png", text="x" * 70_000), "small.xml": article("a.png")})
    assert rejects(tmp_path, settings=CorpusSettings(max_file_bytes=66_000)) == [("large.xml", TOO_LARGE)]


def test_no_permission_is_a_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path, {"a.xml": article("a.png"), "b.txt": b"", "c.xml": article("a.png")})
    head = FolderFiles.head

    def refusing(files: FolderFiles, name: str, length: int) -> bytes:
        if name in ("a.xml", "b.txt"):
            raise RejectedError(UNREADABLE, "Permission denied")
        return head(files, name, length)

    monkeypatch.setattr(FolderFiles, "head", refusing)
    assert rejects(tmp_path) == [("a.xml", UNREADABLE)]
    assert len(documents(tmp_path)) == 1


# --- roots


def test_a_root_may_be_a_folder_an_archive_or_a_document(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.xml": article("a.png"), "b.xml": article("a.png"), "a.png": PNG})
    package = write_tar(tmp_path / "p.tar.gz", PACKAGE)
    assert [document.path for document in documents(tree)] == ["a.xml", "b.xml"]
    assert [document.path for document in documents(package)] == ["p.tar.gz/pkg/a.xml"]
    (document,) = documents(tree / "b.xml")
    assert (document.path, document.source, document.figures[0].images) == ("b.xml", "tree", ("a.png",))


def test_in_an_archive_that_is_the_corpus_other_files_are_passed_over_too(tmp_path: Path) -> None:
    package = write_zip(tmp_path / "p.zip", PACKAGE | {"pkg/LICENSE": b"Free", "pkg/a.pdf": b"%PDF-1.4"})
    assert [item.path for item in read_corpus([package])] == ["p.zip/pkg/a.xml"]


def test_a_format_has_one_reader_for_a_folder_and_one_for_each_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Files] = []

    class Counting(JatsReader):
        def __init__(self, files: Files) -> None:
            made.append(files)
            super().__init__(files)

    monkeypatch.setattr("abs_index.corpus.read.READERS", (Counting,))
    write_tree(tmp_path, {"a.xml": article("x.png"), "c.xml": article("x.png")})
    write_zip(tmp_path / "b.zip", {"d.xml": article("x.png"), "e.xml": article("x.png")})
    assert [document.files.prefix for document in documents(tmp_path)] == ["", "b.zip/", "b.zip/", ""]
    assert [files.prefix for files in made] == ["", "b.zip/"]


def test_a_root_that_is_no_document_is_a_reject(tmp_path: Path) -> None:
    write_tree(tmp_path, {"notes.txt": b"words"})
    assert rejects(tmp_path / "notes.txt") == [("notes.txt", NOT_A_DOCUMENT)]


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", {"a.xml": article("a.png")})
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    (document,) = documents(tmp_path / "link")
    assert (document.path, document.source) == ("a.xml", "link")


def test_missing_and_empty_corpora_are_errors_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    with pytest.raises(CorpusError, match="missing: No such file or directory"):
        read_corpus([tmp_path / "missing"])
    with pytest.raises(CorpusError, match="empty: the folder is empty"):
        read_corpus([tmp_path / "empty"])
    with pytest.raises(CorpusError, match="no corpus is given"):
        read_corpus([])

    def refuse(_: object) -> Iterator[None]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CorpusError, match="empty: Permission denied"):
        read_corpus([tmp_path / "empty"])


def test_a_pipe_as_a_corpus(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CorpusError, match="neither a file nor a folder"):
        read_corpus([tmp_path / "pipe"])


def test_reading_is_lazy(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.xml": article("a.png"), "b.xml": article("a.png")})
    items = read_corpus([tmp_path])
    assert next(items).path == "a.xml"
    (tmp_path / "b.xml").write_bytes(article("a.png", doi="10.1234/late"))
    assert getattr(next(items), "id", "") == "10.1234/late"


# --- order, ids, sources


def test_the_order_is_that_of_the_sorted_paths(tmp_path: Path) -> None:
    names = ["b/a.xml", "a.xml", "B.xml", "b.xml", "a/z.xml", "a/b/c.xml"]
    write_tree(tmp_path, dict.fromkeys(names, article("x.png")))
    write_zip(tmp_path / "aa.zip", {"z.xml": article("x.png"), "a.xml": article("x.png")})
    paths = [document.path for document in documents(tmp_path)]
    assert paths == sorted([*names, "aa.zip/a.xml", "aa.zip/z.xml"])


def test_the_id_is_the_doi_where_no_other_document_has_taken_it(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "a.xml": article("x.png", doi="10.1234/Boats.1"),
            "b.xml": article("x.png", doi="10.1234/boats.1", text="Another version, see"),
            "c.xml": article("x.png", doi="N/A"),
            "d.xml": article("x.png"),
        },
    )
    assert [document.id for document in documents(tmp_path)] == ["10.1234/Boats.1", "b.xml", "c.xml", "d.xml"]


def test_the_same_document_twice_is_a_reject(tmp_path: Path) -> None:
    same = article("x.png", doi="10.1234/boats")
    write_tree(tmp_path, {"a.xml": same, "copy/a.xml": same, "d.xml": article("x.png"), "e.xml": article("x.png")})
    write_zip(tmp_path / "z.zip", {"a.xml": same})
    assert rejects(tmp_path) == [("copy/a.xml", DUPLICATE), ("z.zip/a.xml", DUPLICATE)]
    assert [document.id for document in documents(tmp_path)] == ["10.1234/boats", "d.xml", "e.xml"]


def test_ids_are_unique_over_several_roots_and_the_same_on_every_run(tmp_path: Path) -> None:
    for name in ("one", "two", "deep/two"):
        write_tree(tmp_path / name, {"a.xml": article("x.png")})
    roots = (tmp_path / "one", tmp_path / "two", tmp_path / "deep" / "two")
    ids = [document.id for document in documents(*roots)]
    assert ids == ["a.xml", "two/a.xml", "two/a.xml#2"]
    assert [document.id for document in documents(*roots)] == ids


def test_rejects_of_figures_bear_the_final_id_of_their_document(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tree(tmp_path / name, {"a.xml": article("missing.png")})
    found = documents(tmp_path / "one", tmp_path / "two")
    assert [[reject.document for reject in document.rejects] for document in found] == [["a.xml"], ["two/a.xml"]]


def test_the_same_root_twice_or_inside_another_is_read_once(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.xml": article("x.png"), "sub/b.xml": article("x.png")})
    (tmp_path.parent / "link").symlink_to(tmp_path)
    roots = (tmp_path / "sub", tmp_path, tmp_path, tmp_path.parent / "link", tmp_path / "a.xml")
    assert [document.path for document in documents(*roots)] == ["a.xml", "sub/b.xml"]


def test_the_source_is_the_first_folder_below_the_root(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    write_tree(root, {"top.xml": article("x.png"), "joss/1/a.xml": article("x.png"), "plos/a.xml": article("x.png")})
    write_zip(root / "direct.zip", PACKAGE)
    write_zip(root / "pmc" / "deep.zip", PACKAGE)
    assert {document.path: document.source for document in documents(root)} == {
        "direct.zip/pkg/a.xml": "corpus",
        "joss/1/a.xml": "joss",
        "plos/a.xml": "plos",
        "pmc/deep.zip/pkg/a.xml": "pmc",
        "top.xml": "corpus",
    }


def test_the_source_of_a_module_is_its_book(tmp_path: Path) -> None:
    book = {"modules/m1/index.cnxml": module("u1"), "media/a.png": PNG}
    write_tree(tmp_path / "shelf" / "physics", book)
    write_zip(tmp_path / "shelf" / "biology.zip", {f"biology/{name}": content for name, content in book.items()})
    assert [document.source for document in documents(tmp_path / "shelf")] == ["biology", "physics"]
    assert [document.source for document in documents(tmp_path)] == ["biology", "physics"]
    assert [document.source for document in documents(tmp_path / "shelf" / "physics")] == ["physics"]


def test_sources_of_rejects(tmp_path: Path) -> None:
    write_tree(tmp_path / "c", {"joss/a.xml": b"", "book/modules/m1/index.cnxml": b"<document", "b.xml": b""})
    assert [(source, item.path) for source, item in read_sources([tmp_path / "c"])] == [
        ("c", "b.xml"),
        ("book", "book/modules/m1/index.cnxml"),
        ("joss", "joss/a.xml"),
    ]


def test_a_package_without_documents_is_no_reject(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.png", PNG)
    assert list(read_corpus([tmp_path])) == []


MODULE = (
    '<document xmlns="http://cnx.rice.edu/cnxml"><title>Kites</title><content><figure id="f1"><media alt="">'
    '<image src="../../media/a.png"/></media></figure></content></document>'
)


def test_one_module_of_a_library(tmp_path: Path) -> None:
    linking = MODULE.replace(
        '<figure id="f1">', '<para id="p">See <link document="m1" target-id="f1"/>.</para><figure id="f1">'
    )
    files = {
        "book/modules/m1/index.cnxml": MODULE.encode(),
        "book/modules/m2/index.cnxml": linking.encode(),
        "book/media/a.png": PNG,
    }
    write_tree(tmp_path, files)
    (one,) = documents(tmp_path / "book/modules/m1/index.cnxml")
    assert (one.id, one.source, one.figures[0].images) == ("modules/m1/index.cnxml", "book", ("media/a.png",))
    assert [mention.path for mention in one.mentions] == ["modules/m2/index.cnxml"]
    assert one == documents(tmp_path / "book")[0]


def test_a_zip_with_something_in_front(tmp_path: Path) -> None:
    package = write_zip(tmp_path / "a.zip", PACKAGE)
    package.write_bytes(b"MZ" + bytes(1000) + package.read_bytes())
    assert [document.path for document in documents(tmp_path)] == ["a.zip/pkg/a.xml"]


def test_a_zip_with_folders_that_office_files_have(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"word/a.xml": article("a.png"), "word/a.png": PNG})
    assert len(documents(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_an_archive_without_files(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / name, {}) if name == "a.zip" else write_tar(tmp_path / name, {})
    assert rejects(tmp_path) == [(name, EMPTY_FILE)]


def test_a_compressed_document_is_no_archive_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.xml.gz").write_bytes(gzip.compress(article("a.png")))
    assert rejects(tmp_path) == [("a.xml.gz", NOT_A_DOCUMENT)]
