"""Kills real build processes at random moments: what the next build makes must be what an undisturbed one makes."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from abs_index.indexing.build import build_index
from abs_index.indexing.table import Table
from abs_index.search.index import Index
from tests.fakes import FakeModel, write_corpus
from tests.indexing.child import Child
from tests.indexing.helpers import Content, content_of

KILLS = 20
KILLS_A_BUILD = 4


def start(corpus: Path, index: Path, delay: float = 0.02) -> Child:
    arguments = ["build", str(corpus), "--index", str(index), "--json", "--batch-size", "4"]
    return Child(index.with_suffix(".printed"), *arguments, delay=delay)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), documents=24, figures=3, mentions=2)
    (folder / "article-005" / "f1.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    (folder / "broken.xml").write_text("<article>")
    return folder


@dataclass(frozen=True)
class Undisturbed:
    content: Content
    seconds: float
    printed: str


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What an undisturbed build makes, and how long its process runs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert start(corpus, folder / "first").wait() == 0, "the first one also starts the process to fork from"
    begin = time.monotonic()
    child = start(corpus, folder / "index")
    assert child.wait() == 0, child.err
    return Undisturbed(content_of(Table.open_published(folder / "index")), time.monotonic() - begin, child.out)


def finish(corpus: Path, index: Path) -> Content:
    """Takes an index to its end in this process, and its content."""
    build_index([corpus], index, FakeModel())
    return content_of(Table.open_published(index))


def test_the_undisturbed_build_is_whole(undisturbed: Undisturbed, corpus: Path, tmp_path: Path) -> None:
    summary = json.loads(undisturbed.printed)
    assert (summary["documents"], summary["figures"], summary["images"], summary["pairs"]) == (24, 72, 71, 71 * 3)
    assert summary["rejects"] == {"image damaged": 1, "not well-formed": 1}
    finish(corpus, tmp_path / "index").assert_same(undisturbed.content)


def test_killed_at_random_moments(corpus: Path, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Spread over the whole run of a build; a few on each index, so that later ones meet what earlier ones left."""
    seeded = random.Random(20191015)
    spread = [(turn + seeded.random()) / KILLS for turn in seeded.sample(range(KILLS), KILLS)]
    seconds = undisturbed.seconds
    index = tmp_path / "index"
    for number, moment in enumerate(spread, 1):
        while (child := start(corpus, index)).wait(moment * seconds) is not None:
            # It was quicker than the undisturbed one, or had little left to do: another one is killed, earlier.
            assert child.process.exitcode == 0, child.err
            seconds *= 0.9
            index = tmp_path / f"index-{number}-{len(list(tmp_path.iterdir()))}"
        child.kill()
        if number % KILLS_A_BUILD == 0:
            finish(corpus, index).assert_same(undisturbed.content)
            index = tmp_path / f"index-{number}"


def test_killed_while_bringing_up_to_date(undisturbed: Undisturbed, corpus: Path, tmp_path: Path) -> None:
    """Readers see the state before, whole, until the state after is finished."""
    before = write_corpus(tmp_path / "before", documents=10, figures=2, mentions=1)
    index = tmp_path / "index"
    published = finish(before, index)
    moments = random.Random(3)
    for _ in range(4):
        child = start(corpus, index)
        if child.wait(undisturbed.seconds * moments.uniform(0.1, 0.5)) is None:
            child.kill()
            content_of(Table.open_published(index)).assert_same(published)
            assert len(Index.open(index).search("Overview", k=100)) == 20
    finish(corpus, index).assert_same(undisturbed.content)


def test_ctrl_c_says_how_to_go_on(corpus: Path, undisturbed: Undisturbed, tmp_path: Path) -> None:
    index = tmp_path / "index"
    child = start(corpus, index)
    while not Table.exists(index) or Table.open(index).version < 3:
        time.sleep(0.01)
    os.kill(child.process.pid or 0, signal.SIGINT)
    assert child.wait() == 130
    assert (child.out, child.err) == ("", "interrupted; run the same command again to go on\n")
    finish(corpus, index).assert_same(undisturbed.content)


def test_a_second_process_is_told_who_writes(corpus: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    first = start(corpus, index, delay=0.3)
    while not (index / "lock.pid").exists():
        time.sleep(0.01)
    second = start(corpus, index)
    assert second.wait() == 1
    assert second.err == f"error: {index}: process {first.process.pid} is writing to this index; try again later\n"
    assert first.wait() == 0
