"""The reader: a pair network that reads the text, the words in the figure and the regions of the picture together.

The first layers of a sentence encoder read the text, and apart from it the words that stand in the figure; these layers
stay as they come. The later layers look at both and at the picture at once: what decides about abstractness is what one
side shows that the other does not. They start from the sentence encoder too and are trained with everything on top.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.labels import ABS, KINDS
from abs_index.model.reading import FACTS, FIGURE_FACTS
from abs_index.networks.bert import BertEmbeddings, BertLayer, hide
from abs_index.networks.kernel import KernelMachine
from abs_index.networks.pair import GRADES, PairOutput, finish
from abs_index.recipe import ReaderSettings, Recipe

PAD = 0
"""Number of the padding among BERT's word pieces."""


class ReaderNetwork(nn.Module):
    """Pair network of a recipe with `[reader]`. `start` is the number of the piece that starts a text."""

    def __init__(self, recipe: Recipe, pieces: int, start: int) -> None:
        super().__init__()
        settings = recipe.reader
        if settings is None:
            raise ValueError(f"recipe {recipe.name!r} has no section [reader]")
        self.start, dim = start, settings.width
        regions = recipe.image.grid**2
        self.sizes = (recipe.image.summary_dim, recipe.image.region_dim * regions)
        self.missed = settings.missed_words
        self.embeddings = BertEmbeddings(pieces, max(settings.max_pieces, settings.max_figure_pieces), dim)
        self.first = nn.ModuleList(BertLayer(dim) for _ in range(settings.fixed_layers))
        self.last = nn.ModuleList(
            BertLayer(dim, settings.layer_dropout) for _ in range(settings.layers - settings.fixed_layers)
        )
        self.part = nn.Embedding(2, dim)
        self.summary = nn.Linear(recipe.image.summary_dim, dim)
        self.region = nn.Linear(recipe.image.region_dim, dim)
        self.facts = nn.Linear(FACTS, dim)
        self.place = nn.Parameter(0.02 * torch.randn(2 + regions, dim))
        self.picture_norm = nn.LayerNorm(dim)
        hidden = settings.hidden_dim
        self.joint = nn.Sequential(
            nn.Dropout(settings.dropout), nn.Linear(4 * dim, hidden), nn.GELU(), nn.Dropout(settings.dropout)
        )
        self.abs = nn.Linear(hidden, len(ABS))
        self.kind = nn.Linear(2 * hidden, len(KINDS))
        self.picture = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.sizes[0], hidden), nn.GELU())
        self.grades = nn.Linear(hidden, len(GRADES))
        self.embedding = nn.Linear(hidden, settings.embedding_dim)
        self.sorter = KindSorter(self.sizes[0] + FACTS + dim, hidden)
        self.share, self.supports = recipe.kernel.share, recipe.kernel.supports
        self.kernel = self.new_kernel()
        self.sharpness = nn.Parameter(torch.ones(2), requires_grad=False)
        """Inverse temperatures (Guo et al. 2017) of `abs` and `kind`."""
        nn.init.zeros_(self.part.weight)
        # What the picture says enters beside states whose spread is about this.
        nn.init.constant_(self.picture_norm.weight, 0.5)

    def forward(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pair embeddings (N, E) of unit length, probabilities of `abs` (N, 3) and `kind` (N, 11), and `cmi` (N,)."""
        return finish(self.answer(context, words, facts), self.embedding, self.sharpness)

    def answer(self, context: Tensor, words: Tensor, facts: Tensor) -> PairOutput:
        """Raw answers; `words` int (N, L) as from `ReaderInputs`, `facts` float (N, FACTS)."""
        states = self.read(words)
        said = self.look(context, words, states, facts)
        return self.complete(said, self.describe_read(context, words, states, facts))

    def read(self, words: Tensor) -> Tensor:
        """States (N, L, width) after the fixed layers: text and words in the figure, each read for itself."""
        part = self._parts(words)
        places = torch.arange(words.shape[1], device=words.device) - part * (part == 0).sum(1, keepdim=True)
        # Padding may stand at places that no text reaches.
        states = self.embeddings(words, places.masked_fill(words == PAD, 0))
        mask = hide((part[:, :, None] != part[:, None, :]) | (words == PAD)[:, None, :])[:, None]
        for layer in self.first:
            states = layer(states, mask)
        read: Tensor = states
        return read

    def look(self, context: Tensor, words: Tensor, states: Tensor, facts: Tensor) -> PairOutput:
        """Raw answers from what `read` gave. Words that are padding in `words` are not looked at."""
        hidden = words == PAD
        if self.training and self.missed:
            missed = torch.rand(words.shape, device=words.device) < self.missed
            hidden = hidden | (missed & (words != self.start))
        summary, regions = context.split(self.sizes, 1)
        picture = torch.cat(
            [
                self.summary(summary).unsqueeze(1),
                self.facts(facts).unsqueeze(1),
                self.region(regions.unflatten(1, (len(self.place) - 2, -1))),
            ],
            1,
        )
        picture = self.picture_norm(picture + self.place)
        states = torch.cat([picture, states + self.part(self._parts(words))], 1)
        mask = torch.cat([torch.zeros_like(picture[:, :, 0]), hide(hidden)], 1)[:, None, None, :]
        for layer in self.last:
            states = layer(states, mask)
        seen = len(self.place)
        told = (~hidden & (self._parts(words) == 0)).unsqueeze(2).float()
        mean = (states[:, seen:] * told).sum(1) / told.sum(1).clamp_min(1)
        joint = self.joint(torch.cat([states[:, seen], mean, states[:, 0], states[:, 2:seen].mean(1)], 1))
        kind = self.kind(torch.cat([joint, self.picture(summary)], 1))
        return PairOutput(self.abs(joint), kind, self.grades(joint), joint)

    def new_kernel(self) -> KernelMachine:
        """An empty kernel machine for this network."""
        return KernelMachine((self.sizes[0], FACTS, self.embeddings.norm.normalized_shape[0]), self.supports)

    def describe(self, context: Tensor, words: Tensor, facts: Tensor) -> Tensor:
        """What the kernel machine compares (N, D): image summary, facts, and the mean state of the text."""
        return self.describe_read(context, words, self.read(words), facts)

    def describe_read(self, context: Tensor, words: Tensor, states: Tensor, facts: Tensor) -> Tensor:
        """The same from what `read` gave."""
        told = ((words != PAD) & (self._parts(words) == 0)).unsqueeze(2).float()
        mean = functional.normalize((states * told).sum(1), dim=1)
        return torch.cat([context[:, : self.sizes[0]], facts, mean], 1)

    def complete(self, said: PairOutput, described: Tensor) -> PairOutput:
        """Raw answers in which the kernel machine and the sorter of kinds have their shares."""
        logits = (1 - self.share) * said.abs + self.share * self.kernel(described) if self.share else said.abs
        return PairOutput(logits, said.kind + self.sorter(described), said.grades, said.joint)

    def without_figures(self, words: Tensor, facts: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Words and facts as if nobody had read the figures of some pairs; `rows` bool (N,) says of which."""
        words = words.masked_fill(rows[:, None] & (self._parts(words) == 1), PAD)
        known = torch.arange(FACTS, device=facts.device) >= FACTS - FIGURE_FACTS
        return words, facts.masked_fill(rows[:, None] & known, 0)

    def _parts(self, words: Tensor) -> Tensor:
        """Which part each word is of, int (N, L): 0 the text, 1 the words in the figure, behind the second start."""
        return ((words == self.start).int().cumsum(1) - 1).clamp(0, 1)

    def load_bert(self, tensors: Mapping[str, Tensor]) -> None:
        """Starts from the weights of a sentence encoder, by BERT's names."""
        self.embeddings.load_bert(tensors)
        for number, layer in enumerate([*self.first, *self.last]):
            assert isinstance(layer, BertLayer)
            layer.load_bert(tensors, number)

    def fix_first_layers(self) -> None:
        """Takes embeddings and first layers out of the training."""
        for module in (self.embeddings, self.first):
            module.requires_grad_(False)


class KindSorter(nn.Module):
    """Kinds of images from what the kernel machine sees of a pair, in a small network of its own.

    The trained layers of the reader stop when abstractness is learnt best; kinds take longer. `training.kinds`
    fills it.
    """

    def __init__(self, dim: int, hidden: int, dropout: float = 0.4) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(dim), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(dim), requires_grad=False)
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout / 2),
            nn.Linear(hidden, len(KINDS)),
        )

    def forward(self, described: Tensor) -> Tensor:
        """Answers (N, 11) before softmax, for descriptions (N, dim)."""
        answers: Tensor = self.layers((described - self.shift) * self.scale)
        return answers


def reader_settings(recipe: Recipe) -> ReaderSettings:
    """The section `[reader]` of a recipe that has one."""
    assert recipe.reader is not None
    return recipe.reader
