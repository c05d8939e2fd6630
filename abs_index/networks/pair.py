"""The pair network: what an image encoder knows of a picture, and a text, to abstractness, kind and a joint vector.

Image and text read each other: the picture puts questions to the words, and what they answer puts questions to the
regions of the picture (attention as in Yang et al. 2016, with the picture in the place of the fixed query). Words are
vectors from a table and do not know their neighbours: the whole costs a few million multiplications a pair. A support
vector machine (see `networks.kernel`) has a share in the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.labels import ABS, KINDS
from abs_index.model.vocabulary import FACTS, PAD, TRAITS, UNKNOWN, word_traits
from abs_index.networks.kernel import KernelMachine
from abs_index.recipe import Recipe

GRADES = ("cmi", "image_extra", "text_extra")
"""Further targets of the training, each scaled to 0 to 1."""

_FACTS_DIM = 64


@dataclass(frozen=True, slots=True)
class PairOutput:
    """Raw answers for N pairs: `abs` (N, 3) and `kind` (N, 11) before softmax, `grades` (N, 3), `joint` (N, H)."""

    abs: Tensor
    kind: Tensor
    grades: Tensor
    joint: Tensor


class PairMember(nn.Module):
    """One network of the ensemble."""

    def __init__(self, recipe: Recipe, words: int, told: int) -> None:
        super().__init__()
        settings, dim = recipe.pair, recipe.text.word_dim
        regions = recipe.image.grid**2
        self.dim, self.queries, self.image_queries = dim, settings.queries, settings.image_queries
        self.dropout, self.word_dropout = recipe.training.dropout, recipe.training.word_dropout
        self.sizes = (recipe.image.summary_dim, recipe.image.region_dim * regions)
        self.hints = nn.Embedding(words, recipe.text.hint_dim, padding_idx=PAD)
        self.position = nn.Parameter(0.02 * torch.randn(recipe.text.max_tokens, dim))
        self.word_norm = nn.LayerNorm(dim)
        self.facts = nn.Linear(told, _FACTS_DIM)
        hidden = settings.hidden_dim
        self.image = nn.Sequential(
            nn.Dropout(self.dropout), nn.Linear(self.sizes[0], hidden), nn.GELU(), nn.LayerNorm(hidden)
        )
        self.region = nn.Linear(recipe.image.region_dim, dim)
        self.region_place = nn.Parameter(torch.zeros(regions, dim))
        self.region_norm = nn.LayerNorm(dim)
        self.ask_words = nn.Linear(hidden + _FACTS_DIM, settings.queries * dim)
        self.ask_regions = nn.Linear(settings.queries * dim + _FACTS_DIM, settings.image_queries * dim)
        self.match = nn.Linear(settings.queries * dim, dim)
        width = (settings.queries + settings.image_queries + 1) * dim + hidden + _FACTS_DIM + recipe.text.hint_dim
        self.joint = joint_layers(width, hidden, self.dropout)
        self.abs = nn.Linear(hidden, len(ABS))
        self.kind = nn.Linear(2 * hidden, len(KINDS))
        self.grades = nn.Linear(hidden, len(GRADES))
        nn.init.zeros_(self.hints.weight)

    def forward(self, vectors: Tensor, context: Tensor, words: Tensor, told: Tensor) -> PairOutput:
        """`vectors` is the table of words; `context` (N, C) as from `ImageNetwork`; `words` int (N, L) is padded;
        `told` is what `PairNetwork.tell` gives."""
        if self.training and self.word_dropout:
            lost = (torch.rand(words.shape) < self.word_dropout).to(words.device) & (words != PAD)
            words = words.masked_fill(lost, UNKNOWN)
        summary, regions = context.split(self.sizes, 1)
        text_facts = self.facts(told)
        image = self.image(summary)
        places = self.region_norm(self.region(regions.unflatten(1, (len(self.region_place), -1))) + self.region_place)
        asked = self.ask_words(torch.cat([image, text_facts], 1)).unflatten(1, (self.queries, self.dim))
        said = attend(asked, self._read(vectors, words), words == PAD)
        asked = self.ask_regions(torch.cat([said, text_facts], 1)).unflatten(1, (self.image_queries, self.dim))
        seen = attend(asked, places)
        match = self.match(said) * places.mean(1)
        joint = self.joint(torch.cat([said, image, text_facts, seen, match, self._sum_hints(words)], 1))
        return PairOutput(self.abs(joint), self.kind(torch.cat([joint, image], 1)), self.grades(joint), joint)

    def _sum_hints(self, words: Tensor) -> Tensor:
        """What the words add by themselves, as a bag of words; the root keeps long texts from outweighing all else."""
        count = (words != PAD).sum(1, keepdim=True).clamp_min(1)
        hints: Tensor = self.hints(words).sum(1) / count.sqrt()
        return hints

    def _read(self, vectors: Tensor, words: Tensor) -> Tensor:
        """The words' vectors with their places (N, L, dim), zero where there is padding."""
        vector = functional.embedding(words, vectors) + self.position[: words.shape[1]]
        read: Tensor = self.word_norm(vector) * (words != PAD).unsqueeze(2)
        return read


def joint_layers(width: int, hidden: int, dropout: float) -> nn.Sequential:
    """What the answers of a member are read from: all that it found (N, `width`) to (N, `hidden`)."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Dropout(dropout),
        nn.Linear(width, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Dropout(dropout / 2),
    )


def finish(said: PairOutput, embedding: nn.Module, sharpness: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Raw answers to what a model says: pair embeddings (N, E) of unit length, probabilities of `abs` (N, 3) and `kind`
    (N, 11) at inverse temperatures `sharpness` (2,), and `cmi` (N,)."""
    vectors = functional.normalize(embedding(said.joint), dim=1)
    abs_prob, kind_prob = (sharpness[0] * said.abs).softmax(1), (sharpness[1] * said.kind).softmax(1)
    return vectors, abs_prob, kind_prob, said.grades[:, 0].clamp(0, 1)


def attend(queries: Tensor, keys: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Queries (N, Q, D) over keys (N, L, D), which are values too, to (N, Q * D); `hidden` (N, L) are not looked at."""
    scores = queries @ keys.transpose(1, 2) / queries.shape[2] ** 0.5
    if hidden is not None:
        scores = scores.masked_fill(hidden.unsqueeze(1), -1e4)  # finite: a text without words attends to padding
    answers: Tensor = (scores.softmax(2) @ keys).flatten(1)
    return answers


class PairNetwork(nn.Module):
    """The members of the ensemble over one table of word vectors, the kernel machine, calibrated probabilities."""

    def __init__(self, recipe: Recipe, words: tuple[str, ...], vectors: Tensor | None = None) -> None:
        super().__init__()
        shape = (len(words), recipe.text.word_dim)
        self.vectors = nn.Parameter(torch.zeros(shape) if vectors is None else vectors, requires_grad=False)
        self.traits = nn.Parameter(torch.from_numpy(word_traits(words)), requires_grad=False)
        self.told_dim = 2 * len(TRAITS) + 1 + FACTS
        self.members = nn.ModuleList(PairMember(recipe, len(words), self.told_dim) for _ in range(recipe.pair.members))
        self.share = recipe.kernel.share
        self.summary_dim, self.supports = recipe.image.summary_dim, recipe.kernel.supports
        self.rarity = nn.Parameter(torch.zeros(len(words), 1), requires_grad=False)
        """Weight of each word in the mean that the kernel machine sees: its inverse document frequency."""
        self.kernel = self.new_kernel()
        self.embedding = nn.Linear(recipe.pair.members * recipe.pair.hidden_dim, recipe.pair.embedding_dim)
        self.sharpness = nn.Parameter(torch.ones(2), requires_grad=False)
        """Inverse temperatures (Guo et al. 2017) of `abs` and `kind`."""

    def forward(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pair embeddings (N, E) of unit length, probabilities of `abs` (N, 3) and `kind` (N, 11), and `cmi` (N,)."""
        return finish(self.answer(context, words, facts), self.embedding, self.sharpness)

    def answer(self, context: Tensor, words: Tensor, facts: Tensor) -> PairOutput:
        """Raw answers; `joint` holds the joint layers of all members side by side (N, M * H)."""
        told = self.tell(words, facts)
        said = [member(self.vectors, context, words, told) for member in self.members]
        logits = torch.stack([one.abs for one in said]).mean(0)
        kinds, grades = (torch.stack([getattr(one, name) for one in said]).mean(0) for name in ("kind", "grades"))
        if self.share:
            machine = self.kernel(self._describe(context, words, told))
            logits = (1 - self.share) * logits + self.share * machine
        return PairOutput(logits, kinds, grades, torch.cat([one.joint for one in said], 1))

    def new_kernel(self) -> KernelMachine:
        """An empty kernel machine for this network."""
        return KernelMachine((self.summary_dim, self.told_dim, self.vectors.shape[1]), self.supports)

    def describe(self, context: Tensor, words: Tensor, facts: Tensor) -> Tensor:
        """What the kernel machine compares (N, D): image summary, traits of the text, and its mean word vector."""
        return self._describe(context, words, self.tell(words, facts))

    def _describe(self, context: Tensor, words: Tensor, told: Tensor) -> Tensor:
        mean = (functional.embedding(words, self.vectors) * functional.embedding(words, self.rarity)).sum(1)
        return torch.cat([context[:, : self.summary_dim], told, functional.normalize(mean, dim=1)], 1)

    def tell(self, words: Tensor, facts: Tensor) -> Tensor:
        """Facts about a text as a whole (N, told_dim): how many words of each group it has, their shares, `facts`."""
        counts = functional.embedding(words, self.traits).sum(1)
        shares = counts[:, :-1] / counts[:, -1:].clamp_min(1)
        return torch.cat([counts.log1p(), 5 * shares, facts], 1)
