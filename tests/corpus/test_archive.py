from __future__ import annotations

import errno
import gzip
import io
import os
import pickle
import stat
import struct
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abs_index.corpus.archive import archive_kind, open_archive
from abs_index.corpus.archive_tar import TarFiles
from abs_index.corpus.archive_zip import ZipFiles
from abs_index.corpus.rejects import (
    ARCHIVE_TOO_LARGE,
    DAMAGED_ARCHIVE,
    TOO_LARGE,
    UNREADABLE,
    UNSAFE_MEMBER,
)
from abs_index.errors import RejectedError, StorageError
from abs_index.recipe import CorpusSettings
from tests.corpus.inputs import special, write_tar, write_zip

DEFAULTS = CorpusSettings()
CONTENT = {"pkg/a.xml": b"<article/>", "pkg/img/b.png": b"png" * 100, "top.txt": b""}
NAMES = ("a.zip", "a.tar", "a.tar.gz")


def write(path: Path, content: dict[str, bytes]) -> Path:
    return write_zip(path, content) if path.suffix == ".zip" else write_tar(path, content)


def opened(path: Path, settings: CorpusSettings = DEFAULTS) -> ZipFiles | TarFiles:
    kind = archive_kind(path.read_bytes()[: 2**16])
    assert kind
    return open_archive(path, kind, f"{path.name}/", settings)


def refused(path: Path, settings: CorpusSettings = DEFAULTS) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        opened(path, settings)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_members_are_read_where_they_lie(tmp_path: Path, name: str) -> None:
    files = opened(write(tmp_path / name, CONTENT))
    assert list(files.names()) == ["pkg/a.xml", "pkg/img/b.png", "top.txt"]
    assert files.prefix == f"{name}/"
    assert files.list_folder("") == ("top.txt",)
    assert files.list_folder("pkg") == ("pkg/a.xml",)
    assert files.list_folder("pk") == ()
    assert files.size("pkg/img/b.png") == 300
    assert files.size("pkg/img") is None
    assert {each: files.read(each) for each in files.names()} == CONTENT
    assert files.head("pkg/a.xml", 4) == b"<art"
    assert files.rejects == ()
    with pytest.raises(RejectedError, match=r"no member 'pkg/c\.xml'"):
        files.read("pkg/c.xml")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_can_travel_and_is_read_by_several_threads(tmp_path: Path, name: str) -> None:
    content = {f"{number}.bin": bytes([number]) * 70_000 for number in range(40)}
    files = pickle.loads(pickle.dumps(opened(write(tmp_path / name, content))))
    with ThreadPoolExecutor(4) as pool:
        assert dict(zip(content, pool.map(files.read, content), strict=True)) == content


@pytest.mark.parametrize("name", NAMES)
def test_junk_is_not_there(tmp_path: Path, name: str) -> None:
    junk = dict.fromkeys(("__MACOSX/pkg/._a.xml", "pkg/._a.xml", ".DS_Store", "pkg/Thumbs.db"), b"junk")
    files = opened(write(tmp_path / name, junk | CONTENT))
    assert list(files.names()) == sorted(CONTENT)
    assert files.rejects == ()


UNSAFE = ["../up.xml", "/abs.xml", "pkg/../../up.xml", "C:/win.xml", "C:win.xml", "..\\up.xml", "\\abs.xml"]


@pytest.mark.parametrize("name", NAMES)
def test_unsafe_names_are_rejects_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    files = opened(write(tmp_path / name, dict.fromkeys(UNSAFE, b"evil") | CONTENT))
    assert list(files.names()) == sorted(CONTENT)
    assert {(reject.path, reject.reason) for reject in files.rejects} == {
        (f"{name}/{u}", UNSAFE_MEMBER) for u in UNSAFE
    }


@pytest.mark.parametrize("name", NAMES)
def test_plain_ways_to_write_a_name_are_harmless(tmp_path: Path, name: str) -> None:
    files = opened(write(tmp_path / name, {"./a.xml": b"1", "d//b.xml": b"2", "w\\c.xml": b"3", "..d/e.xml": b"4"}))
    assert list(files.names()) == ["..d/e.xml", "a.xml", "d/b.xml", "w/c.xml"]


def test_links_and_devices_in_a_tar_are_rejects_and_the_rest_is_read(tmp_path: Path) -> None:
    members = [
        special("pkg/link.xml", tarfile.SYMTYPE, "/etc/passwd"),
        special("pkg/dir", tarfile.SYMTYPE, ".."),
        special("pkg/hard.xml", tarfile.LNKTYPE, "../outside"),
        special("pkg/pipe", tarfile.FIFOTYPE),
        special("pkg/null", tarfile.CHRTYPE),
        special("pkg/disk", tarfile.BLKTYPE),
        special("pkg/folder", tarfile.DIRTYPE),
    ]
    files = opened(write_tar(tmp_path / "a.tar", {"pkg/dir/through.xml": b"evil"} | CONTENT, *members))
    assert list(files.names()) == sorted(CONTENT)
    bad = {"link.xml", "dir", "hard.xml", "pipe", "null", "disk", "dir/through.xml"}
    assert {reject.path for reject in files.rejects} == {f"a.tar/pkg/{each}" for each in bad}
    assert {reject.reason for reject in files.rejects} == {UNSAFE_MEMBER}


def test_links_in_a_zip_are_rejects(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", CONTENT)
    link = zipfile.ZipInfo("pkg/link.xml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    files = opened(path)
    assert [(reject.path, reject.reason) for reject in files.rejects] == [("a.zip/pkg/link.xml", UNSAFE_MEMBER)]
    assert files.size("pkg/link.xml") is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        write_zip(path, [("a.xml", b"old"), ("a.xml", b"newer")])
    else:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            for content in (b"old", b"newer"):
                member = tarfile.TarInfo("a.xml")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    files = opened(path)
    assert list(files.names()) == ["a.xml"]
    assert files.read("a.xml") == b"newer"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_archive_cut_off_anywhere_is_refused_as_a_whole(tmp_path: Path, name: str, share: float) -> None:
    content = {f"{number}.bin": os.urandom(3000) for number in range(8)}
    path = write(tmp_path / name, content)
    whole = path.read_bytes().rstrip(b"\0") if name == "a.tar" else path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    error = refused(path)
    assert error.reason == DAMAGED_ARCHIVE
    assert "\n" not in str(error)


def test_a_tar_damaged_in_the_middle_is_not_read_up_to_there(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.bin": bytes(512), "b.bin": bytes(512)})
    broken = bytearray(path.read_bytes())
    broken[1024:1030] = b"wrong!"
    path.write_bytes(broken)
    assert "byte 1024" in refused(path).detail


def test_a_gzip_with_a_wrong_checksum(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", CONTENT)
    broken = bytearray(path.read_bytes())
    broken[-8] ^= 0xFF
    path.write_bytes(broken)
    assert refused(path).reason == DAMAGED_ARCHIVE


def test_a_zip_member_with_wrong_bytes_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xml", b"AAAAAAAA")
        archive.writestr("b.xml", b"BBBBBBBB")
    path.write_bytes(path.read_bytes().replace(b"AAAAAAAA", b"AAAAXAAA"))
    files = opened(path)
    with pytest.raises(RejectedError, match=DAMAGED_ARCHIVE):
        files.read("a.xml")
    assert files.read("b.xml") == b"BBBBBBBB"


def test_encrypted_members_and_odd_compression_are_rejects(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", CONTENT)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("odd.xml", b"x" * 100, zipfile.ZIP_BZIP2)
        archive.writestr("secret.xml", b"y" * 100)
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"secret.xml") - 46
    assert content[directory : directory + 4] == b"PK\x01\x02"
    content[directory + 8] |= 1
    path.write_bytes(content)
    files = opened(path)
    assert [(r.path, r.reason, r.detail) for r in files.rejects] == [
        ("a.zip/odd.xml", UNREADABLE, "compression method 12, not deflate"),
        ("a.zip/secret.xml", UNREADABLE, "encrypted"),
    ]
    assert files.read("pkg/a.xml") == b"<article/>"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, {"zeros.xml": bytes(70 * 2**20), "a.xml": b"<article/>"})
    assert path.stat().st_size < 2**20
    error = refused(path)
    assert error.reason == ARCHIVE_TOO_LARGE
    assert "max_archive_ratio" in error.detail
    assert opened(path, CorpusSettings(max_archive_ratio=10_000)).size("zeros.xml") == 70 * 2**20


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_an_archive_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, {"a.bin": bytes(3 * 2**20)})
    error = refused(path, CorpusSettings(max_archive_bytes=2**20))
    assert (error.reason, "max_archive_bytes" in error.detail) == (ARCHIVE_TOO_LARGE, True)


def test_a_zip_that_lies_about_a_size_is_not_read_on(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.xml": bytes(10 * 2**20)})
    content = path.read_bytes().replace(struct.pack("<I", 10 * 2**20), struct.pack("<I", 100))
    path.write_bytes(content)
    with pytest.raises(RejectedError, match=DAMAGED_ARCHIVE):
        opened(path).read("a.xml")


@pytest.mark.parametrize("name", NAMES)
def test_a_member_over_the_limit(tmp_path: Path, name: str) -> None:
    files = opened(write(tmp_path / name, CONTENT), CorpusSettings(max_file_bytes=299))
    with pytest.raises(RejectedError, match=f"{TOO_LARGE}.*300 bytes.*299"):
        files.read("pkg/img/b.png")
    assert len(files.read("pkg/img/b.png", limit=300)) == 300


def test_no_room_to_unpack_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "a.tar.gz", CONTENT)

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    with pytest.raises(StorageError, match=r"No space left on device.*TMPDIR"):
        opened(path)


def test_archives_are_told_by_content() -> None:
    old_tar = bytearray(tarfile.TarInfo("a.xml").tobuf(tarfile.USTAR_FORMAT))
    old_tar[257:265] = bytes(8)
    old_tar[148:156] = b" " * 8
    old_tar[148:156] = b"%06o\0 " % sum(old_tar)
    assert archive_kind(bytes(old_tar)) == "tar"
    assert archive_kind(gzip.compress(bytes(old_tar) + bytes(1024))) == "tar"
    assert archive_kind(gzip.compress(b"some table, packed" * 100)) is None
    assert archive_kind(b"PK\x03\x04" + bytes(60)) == "zip"
    assert archive_kind(b"PK\x05\x06" + bytes(18)) == "zip"
    for content in (b"", b"<article/>", bytes(600), b"\x1f\x8bnonsense", b"just text " * 60):
        assert archive_kind(content) is None


@pytest.mark.parametrize("first", ["[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"])
def test_office_files_and_books_are_no_packages(tmp_path: Path, first: str) -> None:
    path = write_zip(tmp_path / "report.docx", {first: b"<Types/>", "word/document.xml": b"<w:document/>"})
    assert archive_kind(path.read_bytes()) is None


def test_names_in_old_encodings_can_be_read_and_printed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        member = tarfile.TarInfo("Größe.png")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"g"))
    files = opened(path)
    assert list(files.names()) == ["Größe.png"]
    assert files.read("Größe.png") == b"g"


def test_names_in_utf8_that_do_not_say_so(tmp_path: Path) -> None:
    name = "bilder/größe.png"
    packed = write_zip(tmp_path / "a.zip", {"x" * len(name.encode()): b"png"})
    packed.write_bytes(packed.read_bytes().replace(b"x" * len(name.encode()), name.encode()))
    files = opened(packed)
    assert list(files.names()) == [name]
    assert files.read(name) == b"png"


def test_what_comes_behind_a_compressed_archive(tmp_path: Path) -> None:
    packed = write_tar(tmp_path / "a.tar.gz", CONTENT)
    packed.write_bytes(packed.read_bytes() + b"and more")
    assert sorted(opened(packed).names()) == sorted(CONTENT)
