"""A server's program is there as a whole or not at all; whatever is missing for it is one line that says what to do."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from pathlib import Path

import pytest

from abs_index.errors import ElasticsearchError, MissingProgramError, UsageError
from abs_index.server import java, unpack
from abs_index.server.distribution import Distribution, Product
from abs_index.server.download import download
from abs_index.server.java import find_java
from abs_index.server.program import install

OPENSEARCH = Distribution("2.19.0", Product.OPENSEARCH)  # which needs no compiled plugin
ELASTICSEARCH = Distribution("9.5.0")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with neither Java nor Maven. Programs put into its folder `bin` are on the PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "jvm").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(java, "INSTALLED", tmp_path / "jvm")
    for variable in ("ES_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def program(file: Path, script: str = "exit 1") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    file.chmod(0o755)


def jdk(home: Path, version: str, *, compiler: bool = True) -> Path:
    program(home / "bin" / "java")
    if compiler:
        program(home / "bin" / "javac")
    (home / "release").write_text(f'IMPLEMENTOR="Debian"\nJAVA_VERSION="{version}"\n')
    return home


def zipped(members: dict[str, str], mode: int = 0o100644) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name.endswith("bin/opensearch") else mode) << 16
            archive.writestr(info, text)
    return content.getvalue()


GOOD = zipped({"opensearch-2.19.0/bin/opensearch": "#!/bin/sh\n", "opensearch-2.19.0/config/jvm.options": "-ea\n"})


def maven(machine: Path, content: bytes) -> None:
    """A Maven that has one zip in its repository, and notes each time it is called."""
    (machine / "repository.zip").write_bytes(content)
    program(
        machine / "bin" / "mvn",
        f"echo x >> {machine}/calls\nfor word; do case $word in -DoutputDirectory=*) to=${{word#*=}};; esac; done\n"
        f"cp {machine}/repository.zip $to/server.zip",
    )


def test_no_java(machine: Path) -> None:
    with pytest.raises(
        MissingProgramError, match=r"needs Java 21 or newer, and there is no Java here: install a JDK .*21"
    ):
        find_java(ELASTICSEARCH)


def test_java_too_old(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(jdk(machine / "old", "17.0.15")))
    jdk(machine / "jvm" / "older", "1.8.0_392")
    with pytest.raises(MissingProgramError, match="needs Java 21 or newer, and only Java 8, 17 is here"):
        find_java(ELASTICSEARCH)


def test_java_without_compiler(machine: Path) -> None:
    jdk(machine / "jvm" / "jre", "25.0.3", compiler=False)
    with pytest.raises(MissingProgramError, match=r"jvm/jre has no javac, .* install a whole JDK, Java 21 or newer"):
        find_java(ELASTICSEARCH)


def test_each_server_gets_a_java_that_runs_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = jdk(machine / "jvm" / "a-new", "25"), jdk(machine / "jvm" / "b-old", "17.0.1")
    (machine / "jvm" / "broken").mkdir()
    assert find_java(ELASTICSEARCH).home == new
    assert find_java(Distribution("7.17.29")).home == old
    assert find_java(OPENSEARCH).home == old
    named = jdk(machine / "named", "21.0.2")
    monkeypatch.setenv("ES_JAVA_HOME", str(named))
    assert find_java(ELASTICSEARCH).home == named


def test_java_of_the_path(machine: Path) -> None:
    home = jdk(machine / "opt" / "jdk", "21")
    (machine / "bin" / "java").symlink_to(home / "bin" / "java")
    assert find_java(ELASTICSEARCH).home == home


def test_no_maven(machine: Path) -> None:
    with pytest.raises(MissingProgramError, match=r"there is no mvn on the PATH: install it .*apt install maven"):
        download(ELASTICSEARCH, machine)


def test_maven_that_finds_nothing(machine: Path) -> None:
    program(machine / "bin" / "mvn", "echo '[ERROR] Could not find artifact x in central'; echo '[ERROR] more'; exit 1")
    with pytest.raises(ElasticsearchError) as failed:
        download(ELASTICSEARCH, machine)
    assert str(failed.value) == (
        "Maven could not get org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.5.0:zip: "
        "Could not find artifact x in central"
    )


@pytest.mark.parametrize("version", ["9", "latest", "9.5.0-SNAPSHOT", "9.5.0 -Dx=y", "", "9.5.0\n"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(UsageError, match="is not a version"):
        Distribution(version)


def test_program_is_unpacked_once(machine: Path) -> None:
    jdk(machine / "jvm" / "old", "17")
    maven(machine, GOOD)
    cache = machine / "cache"
    installed = install(OPENSEARCH, cache)
    assert os.access(installed.home / "bin" / "opensearch", os.X_OK)
    assert not os.access(installed.home / "config" / "jvm.options", os.X_OK)
    assert install(OPENSEARCH, cache) == installed
    assert (machine / "calls").read_text() == "x\n"


def test_program_can_be_read_by_every_account(machine: Path) -> None:
    jdk(machine / "jvm" / "old", "17")
    maven(machine, GOOD)
    mask = os.umask(0o077)
    try:
        home = install(OPENSEARCH, machine / "cache").home
    finally:
        os.umask(mask)
    assert [
        oct(path.stat().st_mode & 0o777)
        for path in (home, home / "bin" / "opensearch", home / "config" / "jvm.options")
    ] == [
        "0o755",
        "0o755",
        "0o644",
    ]


def test_two_that_want_the_same_program_share_it(machine: Path) -> None:
    jdk(machine / "jvm" / "old", "17")
    maven(machine, GOOD)
    threads = [threading.Thread(target=install, args=(OPENSEARCH, machine / "cache")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (machine / "calls").read_text() == "x\n"


def test_what_a_killed_process_left_behind_is_removed(machine: Path) -> None:
    jdk(machine / "jvm" / "old", "17")
    maven(machine, GOOD)
    left_behind = machine / "cache" / "servers" / "x.partial" / "opensearch-2.19.0"
    left_behind.mkdir(parents=True)
    home = install(OPENSEARCH, machine / "cache").home
    assert sorted(path.name for path in home.parent.iterdir() if path.is_dir()) == [home.name]


def test_cache_that_cannot_be_written(machine: Path) -> None:
    jdk(machine / "jvm" / "old", "17")
    (machine / "cache").write_text("")
    with pytest.raises(ElasticsearchError, match=r"OpenSearch 2.19.0 cannot be kept in .*: .*Not a directory"):
        install(OPENSEARCH, machine / "cache")


FLIPPED = GOOD.replace(b"-ea", b"-eb", 1)


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", GOOD[:200], FLIPPED], ids=["empty", "html", "cut", "flipped"]
)
def test_damaged_zip(machine: Path, content: bytes) -> None:
    jdk(machine / "jvm" / "old", "17")
    maven(machine, content)
    with pytest.raises(ElasticsearchError, match=r"is damaged \(.*\): delete its folder in Maven's repository"):
        install(OPENSEARCH, machine / "cache")
    assert [path for path in (machine / "cache" / "servers").iterdir() if path.is_dir()] == []
    maven(machine, GOOD)
    assert install(OPENSEARCH, machine / "cache").home.is_dir()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped", "..\\escaped"])
def test_member_that_leaves_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.zip").write_bytes(zipped({"fine": "", name: "x"}))
    (tmp_path / "to").mkdir()
    with pytest.raises(ElasticsearchError, match="leaves the folder"):
        unpack.unpack(tmp_path / "bad.zip", tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(zipped({"link": "/etc/passwd"}, mode=0o120777))
    with pytest.raises(ElasticsearchError, match="leaves the folder"):
        unpack.unpack(tmp_path / "bad.zip", tmp_path)


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LIMIT", 99)
    (tmp_path / "bomb.zip").write_bytes(zipped({"a": "0" * 60, "b": "0" * 60}))
    with pytest.raises(ElasticsearchError, match="unpacked"):
        unpack.unpack(tmp_path / "bomb.zip", tmp_path)
    assert not (tmp_path / "a").exists()
