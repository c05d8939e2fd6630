"""Trains the reader (see `networks.reader`) on labelled pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from abs_index.errors import AbsIndexError
from abs_index.model.folder import make_inputs
from abs_index.model.reading import ReaderInputs
from abs_index.model.text_encoder import encoder_files, encoder_pieces
from abs_index.model.word_pieces import PADDING, START, STOP, UNKNOWN, split_words
from abs_index.networks.pair import PairOutput
from abs_index.networks.reader import PAD, ReaderMember, ReaderNetwork, reader_settings
from abs_index.recipe import Recipe
from abs_index.training.calibration import READINGS, mean_sharpness
from abs_index.training.checkpoint import Training, load_checkpoint, save_checkpoint
from abs_index.training.fit import PairData, Step, like_lengths, pair_loss
from abs_index.training.kernel import fit_machine
from abs_index.training.kinds import fit_sorter
from abs_index.training.labelled import LabelledPair
from abs_index.training.projections import set_components

_CHUNK = 48
"""Pairs of like length that are read or answered at once."""

_POOL = 16
"""Batches among which pairs of like length are put together."""

_COMPONENT_PAIRS = 2000
"""Pairs whose joint layers give the components of the pair embedding: enough for its few hundred numbers."""

_FAR_EAST = "\u2e80"
"""Chinese, Japanese and Korean signs stand from here on."""

_PIECES = "embeddings.word_embeddings.weight"

_LEAST_SPREAD = 0.01
"""A fact that is the same for all pairs is not blown up."""

_WARM_UP = 0.1
"""Share of the steps in which the rates rise."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is known of the images of labelled pairs: contexts (M, C) with the row of each name, and words in them.

    Where the recipe has `[image] kinds_dim`, the last numbers of a context come from `kinds` (`ImageNetwork.kinds`),
    which is learnt here from all pooled features, `standard` (M, P).
    """

    contexts: Tensor
    rows: dict[str, int]
    words: Mapping[str, str]
    kinds: nn.Linear | None = None
    standard: Tensor | None = None


def train_reader(
    recipe: Recipe,
    training: Sequence[LabelledPair],
    validation: Sequence[LabelledPair],
    pictures: Pictures,
    folder: Path | None = None,
    step: Step | None = None,
) -> tuple[ReaderNetwork, list[str]]:
    """A trained and calibrated reader, and its word pieces. See `fit_reader` for `folder`.

    Probabilities are calibrated as much on pairs whose figures were read as on pairs whose were not, and likewise on
    pairs whose documents tell of their figures and on others.
    """
    pieces = read_pieces(recipe, [pair.text for pair in training])
    inputs = make_inputs(recipe, pieces)
    assert isinstance(inputs, ReaderInputs)
    network = first_reader(recipe, len(pieces), inputs.pieces.start)

    def prepare(pairs: Sequence[LabelledPair], known: Pictures) -> ReadPairs:
        data = PairData.make(pairs, known.contexts, known.rows, inputs, recipe, known.words)
        return ReadPairs.make(network, data)

    learnt = prepare(training, pictures)
    fit_reader(network, learnt, recipe, folder, step)
    described = _describe(network, learnt, recipe)
    pictures = _learn_kinds(network, pictures, learnt.data, described, recipe)
    learnt = replace(learnt, data=replace(learnt.data, contexts=pictures.contexts))
    if recipe.kernel.share:
        fit_machine(network.kernel, described, learnt.data, recipe.kernel)
    some = torch.linspace(0, len(training) - 1, min(len(training), _COMPONENT_PAIRS)).long()
    set_components(network.embedding, answer_pairs(network, learnt, chosen=some).joint, whiten=0.5)
    if validation:
        judged = prepare(validation, pictures)
        network.sharpness.data.copy_(
            mean_sharpness([answer_pairs(network, judged, read, told) for read, told in READINGS], judged.data)
        )
    return network.eval(), pieces


def _learn_kinds(
    network: ReaderNetwork, pictures: Pictures, data: PairData, described: Tensor, recipe: Recipe
) -> Pictures:
    """Teaches the sorter of kinds; the pictures with what it now wants to know of them."""
    if network.sorter is None:
        return pictures
    assert pictures.kinds is not None
    assert pictures.standard is not None
    told = described[:, network.sizes[0] :]
    fit_sorter(network.sorter, pictures.kinds, pictures.standard, data.row, told, data.kind, recipe.training.seed)
    with torch.no_grad():
        seen = pictures.kinds(pictures.standard)
    return replace(pictures, contexts=torch.cat([pictures.contexts[:, : -seen.shape[1]], seen], 1))


def read_pieces(recipe: Recipe, texts: Iterable[str]) -> list[str]:
    """The word pieces of the sentence encoder, or without one the words of the texts. Raises MissingExtraError."""
    if reader_settings(recipe).encoder == "random":
        return [PADDING, UNKNOWN, START, STOP, *sorted({word for text in texts for word in split_words(text)})]
    return [piece for _, piece in _kept_pieces()]


def _kept_pieces() -> list[tuple[int, str]]:
    """Those with a meaning, with their rows among the encoder's; the encoder knows Chinese signs, but no Chinese."""
    pieces = encoder_pieces(_encoder_folder())
    return [(row, one) for row, one in enumerate(pieces) if not one.startswith("[unused") and max(one) < _FAR_EAST]


def _encoder_folder() -> Path:
    return encoder_files("the sentence encoder that the reader starts from", "train")


def first_reader(recipe: Recipe, pieces: int, start: int) -> ReaderNetwork:
    """A reader before its training. Raises MissingExtraError where the sentence encoder's weights are not installed."""
    network = ReaderNetwork(recipe, pieces, start)
    if reader_settings(recipe).encoder == "minilm":
        tensors = load_file(_encoder_folder() / "model.safetensors")
        tensors[_PIECES] = tensors[_PIECES][[row for row, _ in _kept_pieces()]]
        network.load_bert(tensors)
    return network


@dataclass(frozen=True, slots=True)
class ReadPairs:
    """Pairs, and what the encoder of a reader says of each: float16 (L, width), as long as its words."""

    data: PairData
    states: list[Tensor]

    @classmethod
    @torch.inference_mode()
    def make(cls, network: ReaderNetwork, data: PairData) -> ReadPairs:
        """Reads all pairs once."""
        network.eval()
        states: list[Tensor] = [torch.empty(0)] * len(data)
        lengths = (data.words != PAD).sum(1)
        for rows in lengths.argsort().split(_CHUNK):
            some = network.read(data.words[rows, : int(lengths[rows].max())]).half()
            for row, state in zip(rows.tolist(), some, strict=True):
                states[row] = state[: int(lengths[row])].clone()
        return cls(data, states)

    def lengths(self) -> Tensor:
        """How many words each pair has, int (N,)."""
        return torch.tensor([len(state) for state in self.states])

    def inputs(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What `ReaderNetwork.look` and `answer_read` take, for some of the pairs."""
        chosen = [self.states[row] for row in rows.tolist()]
        states = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True).float()
        data = self.data
        return data.contexts[data.row[rows]], data.words[rows, : states.shape[1]], states, data.facts[rows]


def fit_reader(
    network: ReaderNetwork, pairs: ReadPairs, recipe: Recipe, folder: Path | None = None, step: Step | None = None
) -> None:
    """Trains the members, each on its own. With `folder`, a training that was stopped goes on at the epoch in which it
    was; its checkpoints lie there. Raises AbsIndexError where the loss is no number."""
    facts = pairs.data.facts
    network.shift.data.copy_(facts.mean(0))
    network.scale.data.copy_(1 / (facts.std(0, correction=0) + _LEAST_SPREAD))
    for number, member in enumerate(network.members):
        assert isinstance(member, ReaderMember)
        _fit_member(network, member, number, pairs, recipe, folder / f"member-{number}" if folder else None, step)
    network.eval()


def _fit_member(
    network: ReaderNetwork,
    member: ReaderMember,
    number: int,
    pairs: ReadPairs,
    recipe: Recipe,
    folder: Path | None,
    step: Step | None,
) -> None:
    settings = reader_settings(recipe)
    optimizer = torch.optim.AdamW(_groups(member, recipe.training.weight_decay), settings.learning_rate, fused=True)
    training = Training(member, optimizer, recipe.model_dump_json())
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    first = load_checkpoint(folder, training) if folder else 0
    a_pass = math.ceil(len(pairs.data) / settings.batch_size)
    for epoch in range(first, settings.epochs):
        member.train()
        losses: list[float] = []
        # All chance hangs on seed, member and epoch alone, so that a training can go on in the middle.
        seed = (recipe.training.seed * 1_009 + number) * 1_009 + epoch
        torch.manual_seed(seed)
        batches = like_lengths(pairs.lengths(), settings.batch_size, _POOL, torch.Generator().manual_seed(seed))
        for done, rows in enumerate(batches):
            factor = _rate(epoch * a_pass + done + 1, settings.epochs * a_pass)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * factor
            context, words, states, facts = pairs.inputs(rows)
            unread, untold = (torch.rand(len(rows)) < share for share in settings.missed)
            words, facts = network.hide(words, facts, unread, untold)
            said = member(network.look(context, words, states, facts))
            loss = pair_loss(said, pairs.data, rows, recipe.training)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(member.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise AbsIndexError(
                    f"the loss is no number in epoch {epoch + 1}: try a smaller learning_rate in [reader] of the recipe"
                )
        if folder:
            save_checkpoint(folder, training, epoch + 1)
        if step:
            every = len(network.members) * settings.epochs
            step(number * settings.epochs + epoch + 1, every, sum(losses) / len(losses))


@torch.inference_mode()
def answer_pairs(
    network: ReaderNetwork, pairs: ReadPairs, read: bool = True, told: bool = True, chosen: Tensor | None = None
) -> PairOutput:
    """Raw answers for all pairs (or the `chosen` rows), in their order; without `read` as if nobody had read the
    figures, without `told` as if their documents told nothing of them."""
    network.eval()
    chosen = torch.arange(len(pairs.data)) if chosen is None else chosen
    order = pairs.lengths()[chosen].argsort()
    parts: list[PairOutput] = []
    for rows in chosen[order].split(_CHUNK):
        context, words, states, facts = pairs.inputs(rows)
        words, facts = network.hide_all(words, facts, read=read, told=told)
        parts.append(network.answer_read(context, words, states, facts))
    place = order.argsort()
    whole = (torch.cat([getattr(part, name) for part in parts])[place] for name in ("abs", "kind", "grades", "joint"))
    return PairOutput(*whole)


@torch.no_grad()
def _describe(network: ReaderNetwork, pairs: ReadPairs, recipe: Recipe) -> Tensor:
    """What kernel machine and sorter learn from; of some pairs as if nobody had read their figures, of some as if their
    documents told nothing."""
    generator = torch.Generator().manual_seed(recipe.training.seed)
    missed = reader_settings(recipe).missed
    unread, untold = (torch.rand(len(pairs.data), generator=generator) < share for share in missed)
    parts = []
    for rows in torch.arange(len(pairs.data)).split(_CHUNK):
        context, words, states, facts = pairs.inputs(rows)
        words, facts = network.hide(words, facts, unread[rows], untold[rows])
        parts.append(network.describe_read(context, words, states, facts))
    return torch.cat(parts)


def _groups(member: ReaderMember, decay: float) -> list[dict[str, object]]:
    """What is no matrix does not decay."""
    values = list(member.parameters())
    return [
        {"params": [one for one in values if one.dim() > 1], "weight_decay": decay},
        {"params": [one for one in values if one.dim() <= 1], "weight_decay": 0.0},
    ]


def _rate(step: int, steps: int) -> float:
    """Share of the full rate: rises in a line, then falls along a cosine."""
    warm = _WARM_UP * steps
    return step / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2
