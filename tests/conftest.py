"""What all tests share: the sample corpus, the rule that nothing is skipped in CI, the order in several processes."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from abs_index.sample.corpus import write_sample

IN_CI = bool(os.environ.get("CI"))
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def sample_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample corpus, written once for all tests that only read it."""
    folder = tmp_path_factory.mktemp("sample") / "corpus"
    write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch computes with one thread, so that what it computes is the same every time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _may_skip(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Real documents lie beside the repository, not in it: a checkout alone has to do without them."""
    return not IN_CI or ("../shared" in str(report.longrepr) and not SHARED.is_dir())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that CI skips has not been run: it fails there, unless it needs a GPU."""
    report = yield
    allowed = hasattr(report, "wasxfail") or item.get_closest_marker("gpu") or _may_skip(report)
    if report.skipped and not allowed:
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    if report.skipped and not _may_skip(report):
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes, file by file, those that need the same servers stay together."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.scheduling import Scheduling

    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first there."""
    if hasattr(config, "workerinput"):
        from tests.scheduling import turn

        items.sort(key=lambda item: turn(item.nodeid))
