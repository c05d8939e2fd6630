"""Image vectors of a frozen image encoder: computed once, kept in the folder of the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from abs_index.errors import LabelsError
from abs_index.networks.paper.image import ImageEncoder, scale_pixels
from abs_index.training.kept_vectors import kept_vectors
from abs_index.training.pair_batches import load_picture
from abs_index.training.training_folder import identify

VECTORS = "images.safetensors"

_CHUNK = 32


def is_frozen(encoder: ImageEncoder) -> bool:
    """Whether no weight of the encoder learns, so that what it says of a picture stays the same."""
    return not any(parameter.requires_grad for parameter in encoder.parameters())


def image_vectors(
    encoder: ImageEncoder,
    names: Sequence[str],
    root: Path,
    size: int,
    folder: Path,
    device: torch.device,
    note: Callable[[str], None] | None = None,
) -> Tensor:
    """float32 (N, features): what the encoder says of the image of each pair, `names` below `root`, as it stands.

    They are taken from `folder`/images.safetensors where they were made with the same weights from the same files, and
    are in `folder`, which must be there, up to a point where that was interrupted.
    Raises LabelsError for a picture that cannot be read, ModelError for a file of vectors that is damaged.
    """
    unique = sorted(set(names))

    def begin() -> None:
        encoder.to(device)
        if note:
            note(f"{len(unique):,} images: their vectors are computed once, because the image encoder is frozen")

    def encode(rows: range) -> Tensor:
        return _encode(encoder, unique[rows.start : rows.stop], root, size)

    vectors = kept_vectors(folder / VECTORS, _key(encoder, unique, root, size), len(unique), encode, begin)
    places = {name: row for row, name in enumerate(unique)}
    return vectors[torch.tensor([places[name] for name in names])]


@torch.no_grad()
def _encode(encoder: ImageEncoder, names: Sequence[str], root: Path, size: int) -> Tensor:
    device = next(encoder.parameters()).device
    mode, parts = encoder.training, []
    encoder.eval()
    for start in range(0, len(names), _CHUNK):
        pictures = np.stack([load_picture(root / name, size) for name in names[start : start + _CHUNK]])
        parts.append(encoder(scale_pixels(torch.from_numpy(pictures).to(device))).cpu())
    encoder.train(mode)
    return torch.cat(parts)


def _key(encoder: ImageEncoder, names: Sequence[str], root: Path, size: int) -> str:
    """Another one for other weights, and for files that have been changed."""
    weights = (identify(name, value.cpu().numpy().tobytes()) for name, value in encoder.state_dict().items())
    try:
        files = [f"{name} {one.st_size} {one.st_mtime_ns}" for name in names for one in [(root / name).stat()]]
    except OSError as error:
        raise LabelsError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return identify(str(size), *weights, *files)
