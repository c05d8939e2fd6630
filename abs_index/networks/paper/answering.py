"""The paper's classifier as a model answers with it: an image network and a pair network that become graphs.

The same weights as in `networks.paper.network` and the same answers; what differs is how the recurrent layers are run.
Packed sequences have no counterpart in a graph, so their steps are written out, as many as a text may have at most.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.model.sentence_inputs import sentence_places
from abs_index.model.sentences import PAD
from abs_index.networks.image import fold_norms
from abs_index.networks.paper.image import ImageEncoder, scale_pixels
from abs_index.networks.paper.network import Classifier
from abs_index.networks.paper.text_encoder import Level, TextEncoder
from abs_index.paper_settings import PaperSettings


class PaperImageNetwork(nn.Module):
    """Pixels to image embedding and context: both are the image vector, the embedding of unit length."""

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels uint8 (N, S, S, 3) to embeddings and contexts (N, features)."""
        context = self.encoder(scale_pixels(pixels))
        return functional.normalize(context, dim=1), context


class PaperPairNetwork(nn.Module):
    """Contexts and words to what a model says of pairs."""

    def __init__(self, network: Classifier, settings: PaperSettings) -> None:
        """Takes over the parts of a classifier but its image encoder."""
        super().__init__()
        self.text, self.joint = network.encoder.text, network.encoder.joint
        self.head, self.kind, self.cmi = network.head, network.kind, network.cmi
        self.sentences, self.words = settings.text.max_sentences, settings.text.max_words

    def forward(self, context: Tensor, words: Tensor, facts: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Contexts (N, features), words int (N, L) as from `SentenceInputs` and facts (N, 1), which say nothing, to
        article embeddings (N, E) of unit length, probabilities of `abs` (N, 3) and `kind` (N, 11), and `cmi` (N,)."""
        sentences = words.unflatten(1, (-1, sentence_places(self.words)))[:, :, : self.words]
        text = read_text(self.text, sentences.clamp_min(PAD), context, self.sentences)
        article = torch.tanh(self.joint(torch.cat([context, text], 1)))
        abs_prob, kind_prob = self.head(article).softmax(1), self.kind(article).softmax(1)
        # An input that nothing hangs on would be no input of a graph.
        cmi = self.cmi(article + 0 * facts).squeeze(1).sigmoid()
        return functional.normalize(article, dim=1), abs_prob, kind_prob, cmi


def make_networks(
    settings: PaperSettings, words: int, trained: Classifier | None = None
) -> tuple[PaperImageNetwork, PaperPairNetwork]:
    """Both networks for a vocabulary of so many words: with the weights of a trained classifier, else with any.

    Batch normalisation is folded into the convolutions.
    """
    random = settings.image.model_copy(update={"weights": "random"})
    network = Classifier(settings.model_copy(update={"image": random}), torch.zeros(words, settings.text.word_dim))
    if trained:
        network.load_state_dict(trained.state_dict())
    network.eval()
    fold_norms(network.encoder.image.backbone)
    return PaperImageNetwork(network.encoder.image), PaperPairNetwork(network, settings)


def read_text(encoder: TextEncoder, words: Tensor, image: Tensor, most: int) -> Tensor:
    """As `TextEncoder`, for words int (N, S, W) with at most `most` sentences; W is the same in every call."""
    counts = (words != PAD).sum(2)
    of_sentence = image.unsqueeze(1).expand(-1, words.shape[1], -1).flatten(0, 1)
    inputs = functional.embedding(words.flatten(0, 1), encoder.vectors)
    found = _read_level(encoder.word_level, inputs, of_sentence, counts.flatten(), words.shape[2])
    sentences = found.unflatten(0, (-1, words.shape[1]))
    room = sentences.new_zeros(1, most, sentences.shape[2]).expand(sentences.shape[0], -1, -1)
    padded = torch.cat([sentences, room], 1)[:, :most]
    return torch.tanh(encoder.last(_read_level(encoder.sentence_level, padded, image, (counts > 0).sum(1), most)))


def _read_level(level: Level, inputs: Tensor, image: Tensor, lengths: Tensor, steps: int) -> Tensor:
    """As `Level`; a row of length 0 gives a vector that means nothing."""
    real = torch.arange(steps, device=inputs.device) < lengths.unsqueeze(1)
    states = torch.cat([_run(level.recurrent, inputs, real, steps, backwards) for backwards in (False, True)], 2)
    vectors: Tensor = level.attention(states, image, lengths.clamp_min(1))[0]
    return vectors


def _run(recurrent: nn.GRU, inputs: Tensor, real: Tensor, steps: int, backwards: bool) -> Tensor:
    """One direction of a GRU (Cho et al. 2014) over sequences (M, steps, D): states (M, steps, hidden).

    From the end, the state stays zero until the first word that is `real` (M, steps).
    """
    suffix = "_l0_reverse" if backwards else "_l0"
    weights, biases = (
        [getattr(recurrent, f"{kind}_{side}{suffix}") for side in ("ih", "hh")] for kind in ("weight", "bias")
    )
    given = functional.linear(inputs, weights[0], biases[0])
    state = given.new_zeros(given.shape[0], recurrent.hidden_size)  # `len` would make the size a fixed one
    states: list[Tensor] = []
    for step in reversed(range(steps)) if backwards else range(steps):
        reset, keep, new = given[:, step].chunk(3, 1)
        reset_state, keep_state, new_state = functional.linear(state, weights[1], biases[1]).chunk(3, 1)
        kept = torch.sigmoid(keep + keep_state)
        fresh = torch.tanh(new + torch.sigmoid(reset + reset_state) * new_state)
        state = (fresh + kept * (state - fresh)) * real[:, step : step + 1]
        states.append(state)
    return torch.stack(states[::-1] if backwards else states, 1)
