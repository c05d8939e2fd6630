"""The folder that a training writes to, and the device that it runs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

import torch
from filelock import FileLock, Timeout

from abs_index.errors import ModelError, UsageError
from abs_index.networks.paper.image import ImageDecoder, ImageEncoder
from abs_index.recipe import Recipe, format_recipe
from abs_index.training.checkpoint import replace_durably
from abs_index.training.labelled import LabelledPair

RECIPE, LOCK = "recipe.toml", "lock"


@contextmanager
def training_folder(recipe: Recipe, folder: Path) -> Iterator[None]:
    """Holds the folder of a training with this recipe, which is made where it is missing.

    Raises ModelError where another recipe was trained there, another process trains there now, or it cannot be written.
    """
    with locked_folder(folder):
        try:
            _write_recipe(folder, format_recipe(recipe))
        except OSError as error:
            raise ModelError(f"{folder}: cannot be written: {error.strerror}") from None
        yield


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Holds a folder, which is made where it is missing, so that no other process trains there.

    Raises ModelError where another one does, or it cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ModelError(f"{folder}: another process is training here") from None
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def check_writable(folder: Path) -> None:
    """Raises ModelError where a folder cannot be made or written to: better now than after hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ModelError(f"{folder}: cannot be written: {error.strerror}") from None


def _write_recipe(folder: Path, content: str) -> None:
    path, part = folder / RECIPE, folder / f"{RECIPE}.part"
    if path.is_file() and path.read_bytes() != content.encode():
        raise ModelError(f"{folder}: holds a training with another recipe; give another folder")
    part.write_text(content, encoding="utf-8")
    replace_durably(part, path)


def identify(*parts: str | bytes) -> str:
    """32 hexadecimal digits for what a training hangs on."""
    digest = blake2b(digest_size=16)
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def identify_pairs(pairs: Sequence[LabelledPair], images: Path) -> str:
    """32 hexadecimal digits for labelled pairs, in their order, and the pictures of them below `images`.

    Raises ModelError for a picture that cannot be read.
    """
    pictures = sorted({pair.image for pair in pairs})
    return identify(*(pair.model_dump_json() for pair in pairs), *(file_digest(images / name) for name in pictures))


def file_digest(path: Path) -> str:
    """32 hexadecimal digits for the content of a file. Raises ModelError where it cannot be read."""
    digest = blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while content := file.read(2**20):
                digest.update(content)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def find_device(name: str) -> torch.device:
    """`auto` is cuda where torch sees a GPU, else cpu. Raises UsageError for `cuda` where it sees none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device 'cuda': torch sees no GPU here; take --device cpu")
    return torch.device(name)


def accelerate(network: torch.nn.Module, device: torch.device) -> None:
    """On a GPU, convolutions are compiled and calculate in bfloat16 where it can; on a CPU neither would be exact or
    faster. Recurrent layers stay as they are: cuDNN has them ready made, and their sums are long."""
    if device.type != "cuda":
        return
    for module in network.modules():
        if isinstance(module, ImageEncoder | ImageDecoder):
            module.mixed = torch.cuda.is_bf16_supported()
            module.compile()
