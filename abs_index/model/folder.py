"""Model folders: which files there are, whether they belong together, and what they say without any network.

    model.safetensors   all weights, once, as float16
    image.xml           graph of the image network; its constants are places in model.safetensors
    pair.xml            graph of the pair network, likewise
    vocabulary.txt      one word a line
    recipe.toml         the recipe that the model was made with
    README.md           model card

Nothing in a folder is a pickle, and no file of it is run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abs_index.errors import ModelError, RecipeError, UsageError
from abs_index.model.base import ModelInfo
from abs_index.model.inputs import PairInputs, WordInputs
from abs_index.model.reading import ReaderInputs
from abs_index.model.sentence_inputs import SentenceInputs
from abs_index.recipe import Recipe, parse_recipe
from abs_index.resources import shipped

FILES = ("model.safetensors", "image.xml", "pair.xml", "vocabulary.txt", "recipe.toml")
"""All that a model needs."""
WEIGHTS, IMAGE_GRAPH, PAIR_GRAPH, VOCABULARY, RECIPE = FILES
CARD = "README.md"
"""What it says of itself to people; a model can be without."""
STATES = "states"
"""Output of the pair graph of a reader that a runtime may cut it at: what was read, float32 (N, L, width)."""
FORMAT = "abs-index-model-2"
"""In the metadata of the weights; another number is another, unreadable layout."""

_MOST_HEADER_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder whose files are there, whole, and belong together."""

    path: Path
    recipe: Recipe
    words: tuple[str, ...]
    inputs: PairInputs
    info: ModelInfo

    @property
    def weights(self) -> Path:
        """The file of all weights."""
        return self.path / WEIGHTS


def find_model(name: str | Path) -> Path:
    """The folder of a model: a shipped one by name, any folder, or one of the hub. Raises UsageError, ModelError."""
    if str(name).startswith("hf:"):  # also as a path, which is what an option of a command gives
        from abs_index.model.hub import fetch_model  # its client is not there in every installation

        return fetch_model(str(name))
    if isinstance(name, str) and "/" not in name and name in model_names():
        return shipped("models") / name
    path = Path(name)
    if path.is_dir():
        return path
    if isinstance(name, str) and "/" not in name:
        raise UsageError(f"no model {name!r}; there are: {', '.join(model_names())}, or give the folder of one")
    raise ModelError(f"{path}: no such folder of a model")


def model_names() -> list[str]:
    """Names of the models that ship with the package."""
    return sorted(path.parent.name for path in shipped("models").glob(f"*/{WEIGHTS}"))


def open_folder(path: Path) -> ModelFolder:
    """Reads and checks a model folder. Raises ModelError with the file and what is wrong with it."""
    content = {name: _read(path / name) for name in reversed(FILES)}  # the large one last
    metadata = read_metadata(content[WEIGHTS], path / WEIGHTS)
    for name in content:
        if name != WEIGHTS and metadata.get(name) != digest(content[name]):
            raise ModelError(f"{path / name}: does not belong to {WEIGHTS} beside it (changed, or of another model)")
    try:
        recipe = parse_recipe(content[RECIPE].decode(), str(path / RECIPE))
        words = tuple(content[VOCABULARY].decode().split("\n")[:-1])
        inputs, image_dim = make_inputs(recipe, words), recipe.image_dim
    except (RecipeError, ValueError) as error:
        raise ModelError(f"{path}: {error}") from None
    info = ModelInfo(
        name=recipe.name,
        fingerprint=digest(content[WEIGHTS]),  # with the digests of all other files in its metadata
        image_size=recipe.image_size,
        image_dim=image_dim,
        pair_dim=recipe.pair_dim,
    )
    return ModelFolder(path, recipe, words, inputs, info)


def make_inputs(recipe: Recipe, words: Sequence[str]) -> PairInputs:
    """How texts are read for the pair network of a recipe. Raises ValueError for a vocabulary that does not fit."""
    if recipe.paper:
        return SentenceInputs(words, recipe.paper.text.max_sentences, recipe.paper.text.max_words)
    if recipe.reader:
        said = recipe.reader
        return ReaderInputs(words, said.max_pieces, said.max_figure_pieces, told=said.told)
    return WordInputs(words, recipe.text.max_tokens)


def digest(content: bytes) -> str:
    """What identifies a content: 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_metadata(content: bytes, path: Path) -> dict[str, str]:
    """The metadata of a safetensors file of ours. Raises ModelError for one that is damaged, or not ours."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= size <= min(_MOST_HEADER_BYTES, len(content) - 8):
        raise ModelError(f"{path}: damaged, or not in the safetensors format")
    try:
        header = json.loads(content[8 : 8 + size])
        end = max(
            (int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"), default=0
        )
        metadata = dict(header.get("__metadata__", {}))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise ModelError(f"{path}: damaged, or not in the safetensors format") from None
    if len(content) != 8 + size + end:
        raise ModelError(f"{path}: damaged: {len(content)} bytes, and its header says {8 + size + end}")
    if metadata.get("format") != FORMAT:
        raise ModelError(f"{path}: weights of another program or version; this version reads {FORMAT}")
    return metadata


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
