"""The reader: a pair network that reads the text, the words in the figure and the picture against each other.

The first layers of a sentence encoder read the text, and apart from it the words that stand in the figure; they stay as
they come. What they say of each word is what the members look at, small networks in which the picture puts questions to
the text, and the text to the words in the figure and to the regions of the picture (attention as in Yang et al. 2016,
with one side in the place of the fixed query): what decides about abstractness is what one side shows that the other
does not. A support vector machine (see `networks.kernel`) has a share in the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.labels import ABS, KINDS
from abs_index.model.reading import FIGURE_FACTS, count_facts
from abs_index.networks.bert import BertEmbeddings, BertLayer, hide
from abs_index.networks.kernel import KernelMachine
from abs_index.networks.pair import GRADES, PairOutput, attend, finish, joint_layers
from abs_index.recipe import ReaderSettings, Recipe

PAD = 0
"""Number of the padding among BERT's word pieces."""

_FACTS_DIM = 64

_MEAN_LENGTH = 8.0
"""A vector of unit length has small numbers: they would be learnt slowly."""

_SORTER_DROPOUT = 0.4


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of N pairs before a member looks at them.

    `summary` (N, S) and `regions` (N, R, D) of the pictures; `words` int (N, L) with what the encoder says of each,
    `states` (N, L, width); `text` and `figure` bool (N, L), where the words of which part stand; `mean` (N, width), the
    mean state of the text at unit length; `facts` (N, F), each with a spread of about 1.
    """

    summary: Tensor
    regions: Tensor
    words: Tensor
    states: Tensor
    text: Tensor
    figure: Tensor
    mean: Tensor
    facts: Tensor


class ReaderMember(nn.Module):
    """One network of the ensemble."""

    def __init__(self, recipe: Recipe, start: int) -> None:
        super().__init__()
        settings = reader_settings(recipe)
        dim, hidden, told = settings.word_dim, settings.hidden_dim, settings.word_dim * settings.queries
        self.start, self.missed = start, settings.missed_words
        self.word = nn.Linear(settings.width, dim)
        self.part = nn.Embedding(2, dim)
        self.word_norm = nn.LayerNorm(dim)
        self.mean = nn.Linear(settings.width, dim)
        self.facts = nn.Linear(facts_of(settings), _FACTS_DIM)
        self.image = nn.Sequential(
            nn.Dropout(settings.dropout), nn.Linear(recipe.image.summary_dim, hidden), nn.GELU(), nn.LayerNorm(hidden)
        )
        self.region = nn.Linear(recipe.image.region_dim, dim)
        self.region_place = nn.Parameter(torch.zeros(recipe.image.grid**2, dim))
        self.region_norm = nn.LayerNorm(dim)
        self.ask_text = nn.Linear(hidden + _FACTS_DIM, told)
        self.ask_figure = nn.Linear(told + _FACTS_DIM, settings.figure_queries * dim)
        self.ask_regions = nn.Linear(told + _FACTS_DIM, settings.image_queries * dim)
        self.match = nn.Linear(told, dim)
        width = told + (settings.figure_queries + settings.image_queries + 2) * dim + hidden + _FACTS_DIM
        self.joint = joint_layers(width, hidden, settings.dropout)
        self.abs = nn.Linear(hidden, len(ABS))
        self.kind = nn.Linear(2 * hidden, len(KINDS))
        self.grades = nn.Linear(hidden, len(GRADES))
        nn.init.zeros_(self.part.weight)

    def forward(self, reading: Reading) -> PairOutput:
        """Raw answers. In training, some of the words are not looked at."""
        text, figure = reading.text, reading.figure
        if self.training and self.missed:
            kept = (torch.rand(text.shape, device=text.device) >= self.missed) | (reading.words == self.start)
            text, figure = text & kept, figure & kept
        words = self.word_norm(self.word(reading.states) + self.part(reading.figure.int()))
        regions = self.region_norm(self.region(reading.regions) + self.region_place)
        facts, image = self.facts(reading.facts), self.image(reading.summary)
        told = attend(self._queries(self.ask_text, image, facts), words, ~text)
        written = attend(self._queries(self.ask_figure, told, facts), words, ~figure)
        written = written * reading.figure.any(1, keepdim=True)
        seen = attend(self._queries(self.ask_regions, told, facts), regions)
        match = self.match(told) * regions.mean(1)
        mean = self.mean(_MEAN_LENGTH * reading.mean)
        joint = self.joint(torch.cat([told, written, seen, match, mean, image, facts], 1))
        return PairOutput(self.abs(joint), self.kind(torch.cat([joint, image], 1)), self.grades(joint), joint)

    def _queries(self, ask: nn.Module, asker: Tensor, facts: Tensor) -> Tensor:
        asked: Tensor = ask(torch.cat([asker, facts], 1)).unflatten(1, (-1, self.word.out_features))
        return asked


class ReaderNetwork(nn.Module):
    """Pair network of a recipe with `[reader]`. `start` is the number of the piece that starts a text."""

    def __init__(self, recipe: Recipe, pieces: int, start: int) -> None:
        super().__init__()
        settings = reader_settings(recipe)
        self.start, dim = start, settings.width
        self.regions = recipe.image.grid**2
        self.sizes = (recipe.image.summary_dim, recipe.image.region_dim * self.regions, recipe.image.kinds_dim)
        self.embeddings = BertEmbeddings(pieces, max(settings.max_pieces, settings.max_figure_pieces), dim)
        self.layers = nn.ModuleList(BertLayer(dim) for _ in range(settings.layers))
        self.facts = facts_of(settings)
        self.shift = nn.Parameter(torch.zeros(self.facts), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(self.facts), requires_grad=False)
        self.members = nn.ModuleList(ReaderMember(recipe, start) for _ in range(settings.members))
        self.embedding = nn.Linear(settings.members * settings.hidden_dim, settings.embedding_dim)
        self.sorter = KindSorter(self.facts + dim, recipe.image.kinds_dim) if recipe.image.kinds_dim else None
        self.share, self.cmi_share = recipe.kernel.share, recipe.kernel.cmi_share
        self.supports = recipe.kernel.supports
        self.kernel = self.new_kernel()
        self.sharpness = nn.Parameter(torch.ones(2), requires_grad=False)
        """Inverse temperatures (Guo et al. 2017) of `abs` and `kind`."""
        for module in (self.embeddings, self.layers):
            module.requires_grad_(False)

    def forward(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pair embeddings (N, E) of unit length, probabilities of `abs` (N, 3) and `kind` (N, 11), and `cmi` (N,)."""
        return finish(self.answer(context, words, facts), self.embedding, self.sharpness)

    def forward_and_states(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, ...]:
        """The same, and behind it what `read` gives, for runtimes that read less exactly than they answer."""
        states = self.read(words)
        said = self.answer_read(context, words, states, facts)
        return *finish(said, self.embedding, self.sharpness), states

    def answer(self, context: Tensor, words: Tensor, facts: Tensor) -> PairOutput:
        """Raw answers; `words` int (N, L) as from `ReaderInputs`, `facts` float (N, F)."""
        return self.answer_read(context, words, self.read(words), facts)

    def read(self, words: Tensor) -> Tensor:
        """What the encoder says of each word (N, L, width): text and words in the figure, each read for itself."""
        part = self._parts(words)
        places = torch.arange(words.shape[1], device=words.device) - part * (part == 0).sum(1, keepdim=True)
        # Padding may stand at places that no text reaches.
        states = self.embeddings(words, places.masked_fill(words == PAD, 0))
        mask = hide((part[:, :, None] != part[:, None, :]) | (words == PAD)[:, None, :])[:, None]
        for layer in self.layers:
            states = layer(states, mask)
        read: Tensor = states
        return read

    def look(self, context: Tensor, words: Tensor, states: Tensor, facts: Tensor) -> Reading:
        """What the members look at, from what `read` gave. Words that are padding in `words` are not looked at."""
        summary, regions, _ = context.split(self.sizes, 1)
        part, there = self._parts(words), words != PAD
        text = there & (part == 0)
        mean = functional.normalize((states * text.unsqueeze(2)).sum(1), dim=1)
        regions = regions.unflatten(1, (self.regions, -1))
        facts = (facts - self.shift) * self.scale
        return Reading(summary, regions, words, states, text, there & (part == 1), mean, facts)

    def answer_read(self, context: Tensor, words: Tensor, states: Tensor, facts: Tensor) -> PairOutput:
        """The same as `answer` from what `read` gave. `joint` holds the joint layers of all members side by side."""
        reading = self.look(context, words, states, facts)
        said = [member(reading) for member in self.members]
        answers = ("abs", "kind", "grades")
        logits, kinds, grades = (torch.stack([getattr(one, name) for one in said]).mean(0) for name in answers)
        described = _describe(reading, facts)
        if self.share:
            machine = self.kernel(described)
            logits = (1 - self.share) * logits + self.share * machine[:, : len(ABS)]
            if self.cmi_share:
                cmi = (1 - self.cmi_share) * grades[:, :1] + self.cmi_share * machine[:, len(ABS) :]
                grades = torch.cat([cmi, grades[:, 1:]], 1)
        if self.sorter:
            kinds = self.sorter(context[:, -self.sizes[2] :], described[:, self.sizes[0] :])
        return PairOutput(logits, kinds, grades, torch.cat([one.joint for one in said], 1))

    def new_kernel(self) -> KernelMachine:
        """An empty kernel machine for this network."""
        widths = (self.sizes[0], self.facts, self.embeddings.norm.normalized_shape[0])
        return KernelMachine(widths, self.supports, cmi=self.cmi_share > 0)

    def describe(self, context: Tensor, words: Tensor, facts: Tensor) -> Tensor:
        """What the kernel machine compares (N, D): image summary, facts, and the mean state of the text."""
        return self.describe_read(context, words, self.read(words), facts)

    def describe_read(self, context: Tensor, words: Tensor, states: Tensor, facts: Tensor) -> Tensor:
        """The same from what `read` gave."""
        return _describe(self.look(context, words, states, facts), facts)

    def hide(self, words: Tensor, facts: Tensor, unread: Tensor, untold: Tensor) -> tuple[Tensor, Tensor]:
        """Words and facts as if nobody had read the figures of some pairs, and as if others had neither alternative
        text nor caption; `unread` and `untold` bool (N,) say which."""
        words = words.masked_fill(unread[:, None] & (self._parts(words) == 1), PAD)
        place = torch.arange(self.facts, device=facts.device) - count_facts(told=False)
        read, told = (place < 0) & (place >= -FIGURE_FACTS), place >= 0
        return words, facts.masked_fill((unread[:, None] & read) | (untold[:, None] & told), 0)

    def hide_all(self, words: Tensor, facts: Tensor, *, read: bool, told: bool) -> tuple[Tensor, Tensor]:
        """Likewise for all pairs: as if no figure was read, where not `read`, and as if nothing was told of any."""
        unread, untold = (torch.full((len(words),), not given, device=words.device) for given in (read, told))
        return self.hide(words, facts, unread, untold)

    def _parts(self, words: Tensor) -> Tensor:
        """Which part each word is of, int (N, L): 0 the text, 1 the words in the figure, behind the second start."""
        return ((words == self.start).int().cumsum(1) - 1).clamp(0, 1)

    def load_bert(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the weights of a sentence encoder, by BERT's names."""
        self.embeddings.load_bert(tensors)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, BertLayer)
            layer.load_bert(tensors, number)


def _describe(reading: Reading, facts: Tensor) -> Tensor:
    return torch.cat([reading.summary, facts, reading.mean], 1)


class KindSorter(nn.Module):
    """Kinds of images, in a small network of its own, from a picture and the facts and mean state of a text.

    The members stop when abstractness is learnt best; kinds take longer, and want more of the picture than its
    principal components. The picture's part of the first layer is `ImageNetwork.kinds`, calculated once a picture.
    `training.kinds` fills both.
    """

    def __init__(self, told: int, hidden: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(told), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(told), requires_grad=False)
        self.told = nn.Sequential(nn.Dropout(_SORTER_DROPOUT), nn.Linear(told, hidden, bias=False))
        self.layers = nn.Sequential(
            nn.GELU(),
            nn.Dropout(_SORTER_DROPOUT),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(_SORTER_DROPOUT / 2),
            nn.Linear(hidden, len(KINDS)),
        )

    def forward(self, seen: Tensor, told: Tensor) -> Tensor:
        """Answers (N, 11) before softmax; `seen` (N, hidden) is of the pictures, `told` (N, T) of their texts."""
        answers: Tensor = self.layers(seen + self.told((told - self.shift) * self.scale))
        return answers


def facts_of(settings: ReaderSettings) -> int:
    """How many facts the reader is told of a pair."""
    return count_facts(told=settings.told)


def reader_settings(recipe: Recipe) -> ReaderSettings:
    """The section `[reader]` of a recipe. Raises ValueError where it has none."""
    if recipe.reader is None:
        raise ValueError(f"recipe {recipe.name!r} has no section [reader]")
    return recipe.reader
