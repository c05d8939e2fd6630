"""`abs-index train`: a recipe and labelled pairs to a model folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from abs_index.corpus.figure_text import RapidReader
from abs_index.errors import RecipeError
from abs_index.model.folder import make_inputs
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.pair import PairNetwork
from abs_index.networks.reader import ReaderNetwork
from abs_index.recipe import Recipe, format_recipe
from abs_index.training.calibration import fit_sharpness, mean_answers
from abs_index.training.features import RawFeatures, image_features
from abs_index.training.figure_words import read_figure_words
from abs_index.training.fit import PairData, Step, fit_members
from abs_index.training.kernel import fit_kernel, fit_rarity
from abs_index.training.labelled import LabelledPair, training_pairs
from abs_index.training.projections import fit_image_projections, set_components
from abs_index.training.reader import Pictures, train_reader
from abs_index.training.training_folder import identify, identify_pairs
from abs_index.training.words import build_words

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell: of images whose features are ready, of those whose words were read, and of finished epochs."""

    images: Advance | None = None
    figures: Advance | None = None
    epochs: Step | None = None


def train_model(
    recipe: Recipe,
    pairs: Sequence[LabelledPair],
    images: Path,
    output: Path,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains on the pairs of split `train`, calibrates on `validation` (where there are any), writes the folder.

    `cache` is a folder that keeps the features of the images and the words in them for the next training; with a
    reader, also where this training stands until the model is written, so that it goes on after it was stopped. Test
    pairs are never looked at.
    Raises RecipeError for a recipe of the paper's network, LabelsError where there is nothing to train on, ModelError
    where `output` cannot be written, MissingExtraError where packages that the recipe needs are not installed.
    """
    tell = progress or Progress()
    training = training_pairs(pairs)
    validation = [pair for pair in pairs if pair.split == "validation"]
    names = sorted({pair.image for pair in [*training, *validation]})
    known = look_at_images(recipe, names, images, cache, tell)
    folder = None
    if cache and recipe.reader:
        key = identify(format_recipe(recipe), identify_pairs([*training, *validation], images))
        folder = cache / f"training-{key}"
    made = train_networks(recipe, training, validation, known, folder, tell.epochs)
    export_model(recipe, made.image, made.pair, made.words, output)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class KnownImages:
    """What is known of M images before any training: features, the row of each name in them, and the words in the
    images by their names (None where the recipe has no reader)."""

    features: RawFeatures
    rows: dict[str, int]
    words: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class TrainedNetworks:
    """What a training makes: both networks, ready to predict, and the vocabulary of the pair network."""

    image: ImageNetwork
    pair: PairNetwork | ReaderNetwork
    words: Sequence[str]


def look_at_images(
    recipe: Recipe, names: Sequence[str], images: Path, cache: Path | None = None, progress: Progress | None = None
) -> KnownImages:
    """Looks once at image files below a folder, for any number of trainings with one recipe.

    Raises RecipeError for a recipe of the paper's network, LabelsError for an image that cannot be decoded,
    MissingExtraError where packages that the recipe needs are not installed.
    """
    if recipe.paper:
        raise RecipeError(
            f"recipe {recipe.name!r}: the paper's network is trained by `abs-index train pretrain` and "
            "`abs-index train classifier`"
        )
    tell = progress or Progress()
    features = image_features(first_image_network(recipe).backbone, recipe.image, names, images, cache, tell.images)
    words = None
    if recipe.reader:
        words = read_figure_words(RapidReader(recipe.figure_text), names, images, cache, tell.figures)
    return KnownImages(features, {name: row for row, name in enumerate(names)}, words)


def first_image_network(recipe: Recipe) -> ImageNetwork:
    """The image network before its projections are fitted. Random numbers start again from the recipe's seed."""
    torch.manual_seed(recipe.training.seed)
    return ImageNetwork(recipe.image).eval()


def train_networks(
    recipe: Recipe,
    training: Sequence[LabelledPair],
    validation: Sequence[LabelledPair],
    known: KnownImages,
    folder: Path | None = None,
    step: Step | None = None,
) -> TrainedNetworks:
    """Trains on some pairs, and calibrates on others where there are any; both have their images among the known.

    Nothing is learnt from any other image or pair. `folder` keeps where the training of a reader stands. Raises
    LabelsError where a label is missing that the recipe needs.
    """
    # From here on, random numbers are the same whether the images had to be looked at or were known before.
    network = first_image_network(recipe)
    rows = known.rows
    seen = torch.tensor(sorted({rows[pair.image] for pair in training}))
    fit_image_projections(network, known.features.take(seen))
    contexts = project(network, known.features)[1]
    if known.words is not None:
        standard = standardize(network, known.features) if network.kinds else None
        pictures = Pictures(contexts, rows, known.words, network.kinds, standard)
        return TrainedNetworks(network, *train_reader(recipe, training, validation, pictures, folder, step))
    words, vectors = build_words([pair.text for pair in training], recipe.text)
    pair_network = PairNetwork(recipe, tuple(words), vectors)
    inputs = make_inputs(recipe, words)
    data = PairData.make(training, contexts, rows, inputs, recipe)
    fit_members(pair_network, data, recipe.training, step)
    if recipe.kernel.share:
        fit_rarity(pair_network, data)
        fit_kernel(pair_network, data, recipe.kernel)
    set_components(pair_network.embedding, mean_answers(pair_network, data).joint, whiten=0.5)
    if validation:
        fit_sharpness(pair_network, PairData.make(validation, contexts, rows, inputs, recipe))
    return TrainedNetworks(network, pair_network.eval(), words)


@torch.no_grad()
def standardize(network: ImageNetwork, features: RawFeatures) -> Tensor:
    """All pooled features (M, P) of images whose features are known, on one scale."""
    return network.standardize(features.pooled, features.depths)


@torch.no_grad()
def project(network: ImageNetwork, features: RawFeatures) -> tuple[Tensor, Tensor]:
    """Image embeddings (M, E) and contexts (M, C) of images whose features are known."""
    embedding, context = network.project(features.regions, features.pooled, features.depths)
    return embedding, context
