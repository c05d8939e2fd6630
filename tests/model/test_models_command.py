"""Listing and verifying models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from abs_index.cli.main import app
from abs_index.errors import ModelError
from abs_index.model import catalogue
from abs_index.model.catalogue import list_models, verify_model
from abs_index.model.folder import find_model, model_names, open_folder
from tests.fakes import FakeModel


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["models", *[str(word) for word in words]])


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder of two models, of which one is damaged, and of other things."""
    (tmp_path / "notes").mkdir()
    for name in ("good", "poor"):
        shutil.copytree(find_model("default"), tmp_path / name)
    with (tmp_path / "poor" / "vocabulary.txt").open("a") as file:
        file.write("one more\n")
    return tmp_path


def test_shipped_models_are_listed() -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [one["name"] for one in found] == model_names()
    (model,) = (one for one in found if one["name"] == "default")
    assert model["fingerprint"] == open_folder(find_model("default")).info.fingerprint
    assert (model["recipe"], model["problem"], model["revision"]) == ("default", None, None)
    assert "cpu" in model["devices"]
    assert model["size"] == sum(path.stat().st_size for path in find_model("default").iterdir())


def test_models_in_a_folder_are_verified_and_a_damaged_one_is_told(folders: Path) -> None:
    result = run(folders, "--verify")
    good, poor = result.stdout.splitlines()
    assert good.startswith("good ")
    assert good.endswith("verified")
    assert "vocabulary.txt: does not belong to model.safetensors" in poor
    assert result.exit_code == 1
    alone = run(folders / "good", "--json")
    assert (alone.exit_code, [one["name"] for one in json.loads(alone.stdout)]) == (0, ["good"])


def test_a_graph_that_does_not_open_is_found_by_running_it_only(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = folders / "good" / "pair.xml"
    graph.write_bytes(graph.read_bytes().replace(b"</net>", b""))
    monkeypatch.setattr("abs_index.model.folder.digest", lambda _: "the same")
    monkeypatch.setattr("abs_index.model.folder.read_metadata", lambda *_: dict.fromkeys(NAMES, "the same"))
    (listed,), (verified,) = list_models([folders / "good"]), list_models([folders / "good"], verify=True)
    assert listed.problem is None
    assert verified.problem and "pair.xml: not a graph that OpenVINO reads" in verified.problem


NAMES = ("recipe.toml", "vocabulary.txt", "image.xml", "pair.xml")


def test_answers_that_cannot_be_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(FakeModel):
        def encode_pairs(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def, override]
            said = super().encode_pairs(*args, **kwargs)  # type: ignore[arg-type]
            said.abs_prob[0, 0] = np.nan
            return said

    monkeypatch.setattr(catalogue, "load_model", lambda *_, **__: FakeModel())
    verify_model(Path("model"))
    monkeypatch.setattr(catalogue, "load_model", lambda *_, **__: Broken())
    with pytest.raises(ModelError, match=r"predicts what cannot be: probabilities of abs$"):
        verify_model(Path("model"))


def test_what_is_no_model_is_said(folders: Path) -> None:
    assert "neither a model nor a folder of models" in str(run(folders / "notes").exception)
    assert "no model 'large'; there are: " in str(run("large").exception)
    assert "no such folder of a model" in str(run(folders / "none").exception)
