"""Image vectors of a frozen encoder: the same as those of the encoder, made once, and made again where they must be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from abs_index.errors import LabelsError, ModelError
from abs_index.model.base import Pixels
from abs_index.networks.paper.image import ImageEncoder, scale_pixels
from abs_index.recipe import Recipe
from abs_index.training.image_vectors import VECTORS, image_vectors, is_frozen
from abs_index.training.loss_log import read_log
from abs_index.training.pair_batches import load_picture
from abs_index.training.pretrain import pretrain
from tests.fakes import write_corpus
from tests.networks.paper_settings import TINY

CPU = torch.device("cpu")
FROZEN = TINY.model_copy(update={"image": TINY.image.model_copy(update={"fine_tune": False})})


@pytest.fixture
def encoder() -> ImageEncoder:
    torch.manual_seed(0)
    return ImageEncoder(FROZEN.image)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, colour in (("a", "navy"), ("b", "olive")):
        Image.new("RGB", (50, 60), colour).save(folder / f"{name}.png")
    return folder


def make(encoder: ImageEncoder, images: Path, folder: Path, told: Callable[[str], None] | None = None) -> torch.Tensor:
    return image_vectors(encoder, ["b.png", "a.png", "b.png"], images, 40, folder, CPU, told)


def test_vectors_are_those_of_the_encoder(encoder: ImageEncoder, images: Path, tmp_path: Path) -> None:
    vectors = make(encoder, images, tmp_path)
    for row, name in enumerate(("b.png", "a.png", "b.png")):
        said = encoder(scale_pixels(torch.tensor(load_picture(images / name, 40))[None]))
        torch.testing.assert_close(vectors[row], said[0])
    assert vectors.shape == (3, 256)


def test_they_are_made_once_and_again_for_other_weights_or_files(
    encoder: ImageEncoder, images: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    first = make(encoder, images, tmp_path, notes.append)
    assert torch.equal(make(encoder, images, tmp_path, notes.append), first)
    assert notes == ["2 images: their vectors are computed once, because the image encoder is frozen"]
    Image.new("RGB", (50, 60), "white").save(images / "a.png")
    second = make(encoder, images, tmp_path, notes.append)
    assert torch.equal(second[0], first[0])
    assert not torch.equal(second[1], first[1])
    third = make(ImageEncoder(FROZEN.image), images, tmp_path, notes.append)
    assert not torch.allclose(third[0], second[0])
    assert len(notes) == 3


def test_killed_in_the_middle_it_goes_on_where_it_was(
    encoder: ImageEncoder, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("abs_index.training.kept_vectors._PART", 1)
    (tmp_path / "whole").mkdir()
    whole = make(encoder, images, tmp_path / "whole")
    read: list[str] = []

    def load(path: Path, size: int) -> Pixels:
        read.append(path.name)
        if path.name == "b.png" and len(read) == 2:
            raise KeyboardInterrupt
        return load_picture(path, size)

    monkeypatch.setattr("abs_index.training.image_vectors.load_picture", load)
    with pytest.raises(KeyboardInterrupt):
        make(encoder, images, tmp_path)
    assert torch.equal(make(encoder, images, tmp_path), whole)
    assert read == ["a.png", "b.png", "b.png"]
    assert list(tmp_path.glob("images-*")) == []


def test_files_that_are_bad(encoder: ImageEncoder, images: Path, tmp_path: Path) -> None:
    (tmp_path / VECTORS).write_bytes(b"no tensors")
    with pytest.raises(ModelError, match=r"images\.safetensors: damaged"):
        make(encoder, images, tmp_path)
    (images / "a.png").unlink()
    with pytest.raises(LabelsError, match=r"a\.png: cannot be read: No such file"):
        make(encoder, images, tmp_path)


def test_only_a_frozen_encoder_is_frozen(encoder: ImageEncoder) -> None:
    assert is_frozen(encoder)
    assert not is_frozen(ImageEncoder(TINY.image))


def test_pretraining_with_kept_vectors_is_the_same_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = write_corpus(tmp_path / "corpus", documents=2, figures=2, mentions=1)
    recipe = Recipe(name="tiny", paper=FROZEN)
    pretrain(recipe, [corpus], tmp_path / "kept")
    assert (tmp_path / "kept" / VECTORS).is_file()
    monkeypatch.setattr("abs_index.training.pretrain.is_frozen", lambda _: False)
    pretrain(recipe, [corpus], tmp_path / "again")
    assert not (tmp_path / "again" / VECTORS).exists()
    for one, other in zip(read_log(tmp_path / "kept"), read_log(tmp_path / "again"), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
