"""The Java that runs a server: the machine's own, found by its version."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from abs_index.errors import MissingProgramError
from abs_index.server.distribution import Distribution

INSTALLED = Path("/usr/lib/jvm")
"""Where Linux distributions put every Java that is installed."""

RELEASE = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Java:
    """One Java development kit: its folder and its feature version (17, 21, 25)."""

    home: Path
    version: int

    @property
    def compiler(self) -> Path:
        """The program `javac`."""
        return self.home / "bin" / "javac"


def find_java(distribution: Distribution) -> Java:
    """The Java to run a server with: ES_JAVA_HOME, JAVA_HOME, /usr/lib/jvm/*, then `java` of PATH; the first that fits.

    Raises MissingProgramError where none fits, and says what to install.
    """
    found = list(_installed())
    fitting = [java for java in found if distribution.oldest_java <= java.version <= distribution.newest_java]
    for java in fitting:
        if java.compiler.is_file() or not distribution.takes_plugin:
            return java
    wanted = f"Java {distribution.oldest_java}" + (
        " or newer" if distribution.newest_java == 99 else f" to {distribution.newest_java}"
    )
    if fitting:
        raise MissingProgramError(
            f"{fitting[0].home} has no javac, which {distribution} needs: install a whole JDK, {wanted}"
        )
    versions = ", ".join(str(number) for number in sorted({java.version for java in found}))
    here = f"only Java {versions} is here" if versions else "there is no Java here"
    raise MissingProgramError(
        f"{distribution} needs {wanted}, and {here}: install a JDK (Debian, Ubuntu: apt install "
        f"openjdk-{max(distribution.oldest_java, 17)}-jdk-headless) or name one in ES_JAVA_HOME"
    )


def _installed() -> Iterator[Java]:
    for variable in ("ES_JAVA_HOME", "JAVA_HOME"):
        if named := os.environ.get(variable):
            yield from _java(Path(named))
    if INSTALLED.is_dir():
        for home in sorted(INSTALLED.iterdir()):
            yield from _java(home)
    if program := shutil.which("java"):
        yield from _java(Path(program).resolve().parents[1])


def _java(home: Path) -> Iterator[Java]:
    """The Java of a folder, if one is there: every Java since 9 says its version in the file `release`."""
    try:
        release = RELEASE.search((home / "release").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return
    if release and (home / "bin" / "java").is_file():
        yield Java(home, int(release[1]))
