"""`abs-index train`: a recipe and labelled pairs to a model folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from abs_index.corpus.figure_text import RapidReader
from abs_index.errors import LabelsError, RecipeError
from abs_index.model.folder import make_inputs
from abs_index.networks.export import export_model
from abs_index.networks.image import ImageNetwork
from abs_index.networks.pair import PairNetwork
from abs_index.recipe import Recipe
from abs_index.training.calibration import fit_sharpness, mean_answers
from abs_index.training.features import image_features
from abs_index.training.figure_words import read_figure_words
from abs_index.training.fit import PairData, Step, fit_members
from abs_index.training.kernel import fit_kernel, fit_rarity
from abs_index.training.labelled import LabelledPair
from abs_index.training.projections import fit_image_projections, set_components
from abs_index.training.reader import Pictures, train_reader
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
    reader, also where that training stands, so that it goes on after it was stopped. Test pairs are never looked at.
    Raises RecipeError for a recipe of the paper's network, LabelsError where there is nothing to train on, ModelError
    where `output` cannot be written, MissingExtraError where packages that the recipe needs are not installed.
    """
    if recipe.paper:
        raise RecipeError(
            f"recipe {recipe.name!r}: the paper's network is trained by `abs-index train pretrain` and "
            "`abs-index train classifier`"
        )
    tell = progress or Progress()
    training = [pair for pair in pairs if pair.split == "train"]
    validation = [pair for pair in pairs if pair.split == "validation"]
    if len({pair.abs for pair in training}) < 2:
        raise LabelsError("training needs pairs of split 'train' with at least two different labels")
    torch.manual_seed(recipe.training.seed)
    network = ImageNetwork(recipe.image).eval()
    names = sorted({pair.image for pair in [*training, *validation]})
    rows = {name: row for row, name in enumerate(names)}
    raw = image_features(network.backbone, recipe.image, names, images, cache, tell.images)
    seen = torch.tensor(sorted({rows[pair.image] for pair in training}))
    fit_image_projections(network, raw.take(seen))
    with torch.no_grad():
        _, contexts = network.project(raw.regions, raw.pooled, raw.depths)
    if recipe.reader:
        figures = read_figure_words(RapidReader(recipe.figure_text), names, images, cache, tell.figures)
        reader, pieces = train_reader(
            recipe, training, validation, Pictures(contexts, rows, figures), cache, tell.epochs
        )
        export_model(recipe, network, reader, pieces, output)
        return
    words, vectors = build_words([pair.text for pair in training], recipe.text)
    pair_network = PairNetwork(recipe, tuple(words), vectors)
    inputs = make_inputs(recipe, words)
    data = PairData.make(training, contexts, rows, inputs, recipe)
    fit_members(pair_network, data, recipe.training, tell.epochs)
    if recipe.kernel.share:
        fit_rarity(pair_network, data)
        fit_kernel(pair_network, data, recipe.kernel)
    set_components(pair_network.embedding, mean_answers(pair_network, data).joint, whiten=0.5)
    if validation:
        fit_sharpness(pair_network, PairData.make(validation, contexts, rows, inputs, recipe))
    export_model(recipe, network, pair_network.eval(), words, output)
