"""The zip of a distribution, from Maven Central through `mvn`: its mirrors, proxies and cache are the user's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from abs_index.errors import ElasticsearchError, MissingProgramError
from abs_index.server.distribution import Distribution

PATIENCE = 1800
"""Seconds that a download of about 130 MB may take."""


def download(distribution: Distribution, folder: Path) -> Path:
    """Copies the zip into `folder`, downloading it into Maven's own repository first where it is not there yet.

    Raises MissingProgramError where Maven is missing, ElasticsearchError where it does not find the version.
    """
    maven = shutil.which("mvn")
    if not maven:
        raise MissingProgramError(
            f"{distribution} comes through Maven, and there is no mvn on the PATH: install it (Debian, Ubuntu: "
            "apt install maven; macOS: brew install maven)"
        )
    command = [
        maven,
        "-q",
        "-B",
        "dependency:copy",
        f"-Dartifact={distribution.artifact}",
        f"-DoutputDirectory={folder}",
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=folder)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ElasticsearchError(f"downloading {distribution} took longer than {PATIENCE // 60} minutes") from error
    copies = sorted(folder.glob("*.zip"))
    if run.returncode or not copies:
        raise ElasticsearchError(f"Maven could not get {distribution.artifact}: {_reason(run.stdout + run.stderr)}")
    return copies[0]


def _reason(output: str) -> str:
    """Maven's first line of error, which holds the reason; the rest is advice for people who build Java."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "[ERROR]" in line] or lines or ["it said nothing"]
    return errors[0].removeprefix("[ERROR]").strip()
