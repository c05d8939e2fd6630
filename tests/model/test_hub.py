"""Models of the hub, from a cache that the tests lay out as the hub's client does; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from abs_index.errors import MissingExtraError, ModelError, UsageError
from abs_index.model.folder import find_model, open_folder
from abs_index.model.hub import fetch_model, hub_name
from abs_index.model.load import load_model

COMMIT, OLDER = "a1" * 20, "b2" * 20
FILES = ("model.safetensors", "image.xml", "pair.xml", "vocabulary.txt", "recipe.toml", "README.md")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine without a network that has fetched `org/figures` once."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    home = tmp_path / "hub" / "models--org--figures"
    (home / "blobs").mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, name in enumerate(FILES):
        shutil.copy(find_model("default") / name, home / "blobs" / str(number))
        (snapshot / name).symlink_to(Path("..", "..", "blobs", str(number)))
    (snapshot / "pytorch_model.bin").write_bytes(b"\x80\x04never read")
    return home


def put(cache: Path, name: str, content: bytes) -> None:
    (cache / "snapshots" / COMMIT / name).unlink()
    (cache / "snapshots" / COMMIT / name).write_bytes(content)


def test_a_model_in_the_cache_is_loaded_without_a_network(cache: Path) -> None:
    model = load_model("hf:org/figures", device="cpu", threads=1)
    assert model.info == open_folder(find_model("default")).info
    for name in ("hf:org/figures", "hf:org/figures@main", f"hf:org/figures@{COMMIT}", Path("hf:org/figures")):
        assert hub_name(find_model(name)) == f"hf:org/figures@{COMMIT}"
    assert hub_name(find_model("default")) is None


def test_the_variable_of_the_hub_and_no_other_says_where_the_cache_is(cache: Path) -> None:
    code = "from abs_index.model.folder import find_model; print(find_model('hf:org/figures'))"
    settings = os.environ | {"HF_HUB_CACHE": str(cache.parent), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(cache / "snapshots" / COMMIT)


def test_only_the_files_of_a_model_are_asked_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def download(repository: str, **options: object) -> str:
        asked.append((repository, options))
        return str(cache / "snapshots" / COMMIT)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    fetch_model("hf:org/figures@v1.0")
    assert asked == [("org/figures", {"revision": "v1.0", "allow_patterns": list(FILES)})]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:org/other", "hf:org/other: not in the cache of the hub, and the hub itself is out of reach"),
        (f"hf:org/figures@{OLDER}", "not in the cache"),
        ("hf:org/figures@v2", "not in the cache"),
        ("hf:or--g/a..b", "is no model of the hub"),
        ("hf:org", "write hf:ORG/NAME or hf:ORG/NAME@REVISION"),
        ("hf:org/figures@", "write hf:ORG/NAME"),
        ("hf:../../etc/passwd", "write hf:ORG/NAME"),
        ("hf:org/figures@a/../../b", "write hf:ORG/NAME"),
    ],
)
def test_a_model_that_is_not_there_is_said_on_one_line(cache: Path, name: str, message: str) -> None:
    with pytest.raises((ModelError, UsageError), match=message) as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


def test_missing_files_are_named(cache: Path) -> None:
    for name in ("pair.xml", "vocabulary.txt"):
        (cache / "snapshots" / COMMIT / name).unlink()
    (cache / "blobs" / "4").unlink()  # the recipe: its link now leads nowhere
    with pytest.raises(ModelError, match=r"no model of abs-index: pair.xml, vocabulary.txt, recipe.toml is not in it"):
        load_model("hf:org/figures")
    shutil.copy(find_model("default") / "recipe.toml", cache / "blobs" / "4")


def test_truncated_and_foreign_weights_are_refused(cache: Path) -> None:
    content = (find_model("default") / "model.safetensors").read_bytes()
    header = b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}'
    foreign = len(header).to_bytes(8, "little") + header + b"ab"
    for damaged, message in ((content[:-7], "damaged: .* bytes"), (foreign, "weights of another program")):
        put(cache, "model.safetensors", damaged)
        with pytest.raises(ModelError, match=message):
            load_model("hf:org/figures")


@pytest.mark.parametrize("name", ["vocabulary.txt", "README.md"])
def test_a_link_that_leaves_the_model_is_refused(cache: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not for others")
    link = cache / "snapshots" / COMMIT / name
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(ModelError, match=r"a link out of the model; delete .* and fetch it again") as caught:
        load_model("hf:org/figures")
    assert "not for others" not in str(caught.value)


def test_a_snapshot_that_is_itself_a_link_is_refused(cache: Path, tmp_path: Path) -> None:
    snapshot = cache / "snapshots" / COMMIT
    snapshot.rename(tmp_path / "elsewhere")
    snapshot.symlink_to(tmp_path / "elsewhere")
    for name in FILES:
        (snapshot / name).unlink()
        shutil.copy(find_model("default") / name, snapshot / name)
    with pytest.raises(ModelError, match="a link out of the model"):
        load_model("hf:org/figures")


def test_without_the_client_of_the_hub_the_extra_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"a model of the hub needs the extra \[hub\]"):
        load_model("hf:org/figures")
    assert load_model("default", device="cpu").info.name == "default"
