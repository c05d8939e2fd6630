"""Which models there are, what is known of each without running it, and whether one does what it should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abs_index.errors import ModelError
from abs_index.model.base import Floats
from abs_index.model.folder import RECIPE, WEIGHTS, find_model, model_names, open_folder
from abs_index.model.hub import hub_name
from abs_index.model.load import load_model, usable_devices

_TEXTS = ("The heart.", "As Figure shows, a jam moves backwards at 15 km/h because each driver brakes in turn.")


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model. `size` is in bytes; `devices` are those that it can run on here, that of `auto` first.

    `revision` is the exact name on the hub, None for a model that is not from there. `problem` says what is wrong with
    a folder that cannot be opened or verified; what could not be read is None then.
    """

    name: str
    folder: Path
    size: int
    recipe: str | None
    fingerprint: str | None
    devices: list[str]
    revision: str | None
    problem: str | None = None


def list_models(folders: Iterable[str | Path] = (), *, verify: bool = False) -> Iterator[ModelSummary]:
    """The models in some folders (each one model, or a folder of models), or hf:ORG/NAME; the shipped ones where none
    is given. `verify` runs each once.

    Raises UsageError and ModelError for a folder that does not exist or holds no model; a model that is damaged is in
    the list, with its problem.
    """
    given = list(folders)
    for folder in [one for name in given for one in _find(name)] if given else map(find_model, model_names()):
        yield _summarise(folder, verify)


def verify_model(folder: Path) -> None:
    """Checks all digests, opens the graphs, and predicts two pairs of a picture of noise.

    Raises ModelError for what does not belong together, does not open, or gives answers that cannot be.
    """
    model = load_model(folder, device="cpu")
    side = model.info.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    features = model.encode_images(pixels)
    said = model.encode_pairs(features.take([0, 0]), _TEXTS, ("caption", "mention"))
    unit = {"image embedding": features.embedding, "pair embedding": said.embedding}
    faults = [what for what, vectors in unit.items() if not _near_one(np.linalg.norm(vectors, axis=1))]
    sums = {"abs": said.abs_prob, "kind": said.kind_prob}
    faults += [f"probabilities of {what}" for what, rows in sums.items() if not _near_one(rows.sum(1))]
    if faults:
        raise ModelError(f"{folder}: predicts what cannot be: {', '.join(faults)}")


def _near_one(values: Floats) -> bool:
    return bool(np.allclose(values, 1, atol=1e-2))  # false for what is no number


def _find(name: str | Path) -> list[Path]:
    folder = find_model(name)
    if (folder / WEIGHTS).exists() or (folder / RECIPE).exists():
        return [folder]
    inside = sorted(path.parent for path in folder.glob(f"*/{WEIGHTS}"))
    if not inside:
        raise ModelError(f"{folder}: neither a model nor a folder of models: no {WEIGHTS} in it")
    return inside


def _summarise(folder: Path, verify: bool) -> ModelSummary:
    revision = hub_name(folder)
    name = revision or folder.resolve().name
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    try:
        opened = open_folder(folder)
        if verify:
            verify_model(folder)
    except ModelError as error:
        return ModelSummary(name, folder, size, None, None, [], revision, str(error))
    return ModelSummary(name, folder, size, opened.recipe.name, opened.info.fingerprint, usable_devices(), revision)
