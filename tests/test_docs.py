"""The documents say what is true: commands and options exist, the reference is current, examples run."""

from __future__ import annotations

import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from PIL import Image

from abs_index.cli.main import app
from abs_index.cli.reference import reference
from abs_index.corpus import read
from abs_index.corpus.document import Document
from abs_index.corpus.pairs import pair_document
from abs_index.corpus.read import read_corpus
from abs_index.indexing.build import build_index
from tests.commands import named_commands
from tests.fakes import FakeModel

ROOT = Path(__file__).parents[1]
COMMANDS = named_commands(typer.main.get_command(app))


def fenced(document: str, language: str) -> list[str]:
    """The code blocks of one language in a Markdown file of the repository."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command_lines() -> Iterator[str]:
    for document in ("README.md", "CONTRIBUTING.md"):
        for block in fenced(document, "sh"):
            yield from (
                line.partition("  #")[0].strip() for line in block.replace("\\\n", " ").splitlines() if line.strip()
            )


def test_reference_of_commands_is_current() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference(), "run: uv run python -m abs_index.cli.reference > docs/cli.md"


@pytest.mark.parametrize("line", [line for line in command_lines() if line.startswith("abs-index ")])
def test_commands_in_documents_exist(line: str) -> None:
    name, *arguments = shlex.split(line.partition(" > ")[0])[1:]
    command = COMMANDS.get(f"{name} {arguments[0] if arguments else ''}", COMMANDS.get(name))
    assert command, f"there is no command {name}"
    options = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("-")} <= options


@pytest.mark.parametrize("line", [line for line in command_lines() if line.startswith(("scripts/", ".ci/"))])
def test_scripts_in_documents_can_be_run(line: str) -> None:
    script = ROOT / line.split()[0]
    assert script.stat().st_mode & 0o111, f"{script} cannot be executed"


def test_pictures_and_links_of_the_readme_exist() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_change_log_has_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_reader_of_the_guide_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = fenced("CONTRIBUTING.md", "python")
    module = types.ModuleType("guide")
    exec(compile(source, "CONTRIBUTING.md", "exec"), module.__dict__)
    monkeypatch.setattr(read, "READERS", (*read.READERS, module.PandocReader))

    Image.new("RGB", (32, 32), "teal").save(tmp_path / "wave.png")
    (tmp_path / "notes.md").write_text(
        "---\ntitle: Waves\n---\n\nA wave is a moving shape, see @fig:wave.\n\n![A wave.](wave.png){#fig:wave}\n"
    )
    (document,) = (item for item in read_corpus([tmp_path]) if isinstance(item, Document))
    assert (document.title, document.format, document.figures[0].images) == ("Waves", "pandoc", ("wave.png",))
    assert [(pair.role, pair.text.normalised) for pair in pair_document(document)] == [
        ("caption", "A wave."),
        ("mention", "A wave is a moving shape, see Figure."),
    ]


def test_python_of_the_readme_runs(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = fenced("README.md", "python")
    build_index([sample_corpus], tmp_path / "figures", FakeModel())
    monkeypatch.chdir(tmp_path)
    exec(compile(source, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("#" in line and " image_more_abstract " in line for line in lines)
