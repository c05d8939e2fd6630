"""A trained classifier of the paper as a model folder, for `build`, `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path

from abs_index.errors import ModelError
from abs_index.model.folder import CARD
from abs_index.networks.export import export_model
from abs_index.networks.paper.answering import make_networks
from abs_index.training.report.runs import ClassifierRun, open_classifiers


def write_model(training: Path, folder: Path) -> None:
    """Makes a model folder from a folder of `train classifier`, as it stands. Raises ModelError."""
    (run,) = open_classifiers([training])
    image, pair = make_networks(run.settings, len(run.words.vocabulary), run.network)
    features = run.network.encoder.image.features
    settings = run.settings.model_copy(update={"image": run.settings.image.model_copy(update={"features": features})})
    recipe = run.recipe.model_copy(update={"paper": settings})
    export_model(recipe, image, pair, run.words.vocabulary.words, folder)
    try:
        (folder / CARD).write_text(_card(run), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{folder / CARD}: cannot be written: {error.strerror}") from None


def _card(run: ClassifierRun) -> str:
    return f"""# Model `{run.recipe.name}`, regime {run.regime}

The network of the paper (Otto, Holzki, Ewerth: "Is this an example image?", ECIR 2019), with the sizes of its recipe.

- Training: {run.describe()}.
- `abs` is what the paper's classifier says. `kind` and `cmi` come from one layer each on the article embedding, trained
  beside it on labels that have them; without such labels in training they mean nothing.
- Probabilities are not calibrated. Words that are read in figures are not used.
- Weights are stored in half precision, large matrices of the pair network as whole numbers with a scale a row.

Whoever passes this model on says here which documents and labels it was trained on, and their licences.
"""
