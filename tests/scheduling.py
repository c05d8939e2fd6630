"""In what order, and in which of several processes, files of tests run (pytest-xdist, `--dist loadfile`)."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    "tests/elasticsearch/test_server_nodes.py": "tests/elasticsearch/test_push_nodes.py",  # three nodes
    "tests/elasticsearch/test_server_secure.py": "tests/elasticsearch/test_connection.py",  # a server with security
    "tests/elasticsearch/test_search_docs.py": "tests/elasticsearch/test_connection.py",
    "tests/elasticsearch/test_enrich_docs.py": "tests/elasticsearch/test_connection.py",
}
"""Files that need the same server run in the process of the file behind them: a start takes 20 to 30 seconds."""

FIRST = (
    "tests/elasticsearch/test_push_nodes.py",
    "tests/training/test_train.py",
    "tests/elasticsearch/test_connection.py",
    "tests/elasticsearch/test_es_commands.py",
    "tests/test_main_job.py",
    "tests/indexing/test_memory.py",
    "tests/training/test_pretrain.py",
    "tests/indexing/test_crash.py",
    "tests/test_numbers.py",
)
"""Files that take longest begin first: none may be left alone in one process at the end."""


def unit(file: str) -> str:
    """The file that stands for all that run in one process with it."""
    return TOGETHER.get(file, file)


def turn(nodeid: str) -> int:
    """Tests run in the order of these numbers, and in their own order where they are equal."""
    first = unit(nodeid.partition("::")[0])
    return FIRST.index(first) if first in FIRST else len(FIRST)


class Scheduling(LoadFileScheduling):
    """A file of tests in each process, or several files that belong together, in the order in which tests are found."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(super()._split_scope(nodeid))

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # it would let the files with the most tests begin
        super().schedule()
