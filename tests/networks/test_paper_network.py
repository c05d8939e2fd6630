"""The paper's network: shapes of every stage, what padding and image do to a text, and that each loss can be learnt."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from abs_index.networks.paper.image import ImageDecoder, ImageEncoder, image_losses, scale_pixels
from abs_index.networks.paper.network import ArticleEncoder, Autoencoder, Classifier
from abs_index.networks.paper.text_decoder import NormalisedLSTM, TextDecoder, text_losses
from abs_index.networks.paper.text_encoder import Attention, Lengths, TextEncoder
from abs_index.paper_settings import PaperSettings
from abs_index.recipe import load_recipe
from tests.networks.paper_settings import TINY

WORDS = torch.tensor(
    [
        [[5, 3, 2, 0], [4, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 0, 0, 0], [2, 6, 7, 8], [9, 2, 0, 0]],
        [[7, 7, 7, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
    ],
    dtype=torch.int32,
)
VECTORS = torch.randn(10, 7, generator=torch.Generator().manual_seed(5))
PICTURES = torch.tensor([-0.8, 0.1, 0.9]).view(3, 1, 1, 1) + torch.linspace(-0.1, 0.1, 40).expand(3, 3, 40, 40)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def paper() -> PaperSettings:
    """Recipe `paper` without weights."""
    settings = load_recipe("paper").paper
    assert settings
    return settings.model_copy(update={"image": settings.image.model_copy(update={"weights": "random"})})


def outputs_of(
    module: nn.Module, kinds: tuple[type[nn.Module], ...], run: Callable[[], object]
) -> list[tuple[int, ...]]:
    """The shapes that the parts of some kinds give while the whole runs."""
    shapes: list[tuple[int, ...]] = []
    for part in module.modules():
        if isinstance(part, kinds):
            part.register_forward_hook(lambda _part, _inputs, output: shapes.append(tuple(output.shape)))
    run()
    return shapes


def test_shapes_of_every_stage() -> None:
    network = Autoencoder(TINY, VECTORS)
    image = network.encoder.image(PICTURES)
    assert image.shape == (3, 256)
    lengths = Lengths.of(WORDS)
    assert (lengths.sentences.tolist(), lengths.words.tolist()) == ([2, 3, 1], [3, 1, 1, 4, 2, 3])
    sentences = network.encoder.text.word_level(torch.randn(6, 4, 7), torch.randn(6, 256), lengths.words)
    assert sentences.shape == (6, 16)
    assert network.encoder.text.sentence_level(torch.randn(3, 3, 16), image, lengths.sentences).shape == (3, 18)
    assert network.encoder.text(WORDS, image).shape == (3, 11)
    embedding = network.encoder(PICTURES, WORDS)
    assert embedding.shape == (3, 24)
    assert network.text_decoder.text_level(embedding, 3).shape == (3, 3, 12)
    assert network.text_decoder.sentence_level(torch.randn(6, 12), 4).shape == (6, 4, 13)
    made = network(PICTURES, WORDS)
    assert (made.picture.shape, made.words.shape) == ((3, 3, 40, 40), (6, 4, 7))
    assert [tuple(one.shape) for one in Classifier(TINY, VECTORS)(PICTURES, WORDS)] == [(3, 3), (3, 11), (3,)]


def test_widths_of_the_paper() -> None:
    settings = paper()
    with torch.device("meta"):
        network = Classifier(settings, torch.zeros(25_002, 300))
        decoder = TextDecoder(settings.embedding_dim, settings.text)
        image = network.encoder.image(torch.zeros(2, 3, 300, 300))
    assert image.shape == (2, 1536)
    text = network.encoder.text
    shapes = {name: tuple(value.shape) for name, value in text.state_dict().items()}
    assert shapes["vectors"] == (25_002, 300)
    assert shapes["word_level.recurrent.weight_ih_l0_reverse"] == (3 * 300, 300)
    assert shapes["sentence_level.recurrent.weight_ih_l0_reverse"] == (3 * 300, 600)
    assert shapes["word_level.attention.image.weight"] == (600, 1536)
    assert shapes["last.weight"] == (600, 600)
    assert network.encoder.joint.weight.shape == (2400, 1536 + 600)
    assert [tuple(part.weight.shape) for part in network.head if isinstance(part, nn.Linear)] == [
        (512, 2400),
        (512, 512),
        (3, 512),
    ]
    assert decoder.text_level.from_input.weight.shape == (4 * 600, 2400)
    assert decoder.last.weight.shape == (300, 600)


def test_image_decoder_of_the_paper_layer_by_layer() -> None:
    with torch.device("meta"):
        decoder = ImageDecoder(2400, paper().image)

        def run() -> None:
            decoder(torch.zeros(2, 2400))

        shapes = outputs_of(decoder, (nn.Linear, nn.Conv2d), run)
    planes = [(2, 128, 60, 60), (2, 64, 75, 75), (2, 32, 150, 150), (2, 3, 300, 300)]
    assert shapes == [(2, 2400), (2, 900), *planes]
    assert {part.kernel_size for part in decoder.convolutions} == {(3, 3)}


def test_paper_small_is_the_same_structure() -> None:
    small = load_recipe("paper-small").paper
    assert small
    with torch.device("meta"):
        random = small.model_copy(update={"image": small.image.model_copy(update={"weights": "random"})})
        one, other = Autoencoder(random, torch.zeros(12, 100)), Autoencoder(paper(), torch.zeros(12, 300))
    names = [{name for name in network.state_dict() if ".backbone." not in name} for network in (one, other)]
    assert names[0] == names[1]


@pytest.mark.parametrize("extra", [(0, 3), (2, 0), (5, 9)])
def test_padding_does_not_change_the_encoding(extra: tuple[int, int]) -> None:
    encoder = ArticleEncoder(TINY, VECTORS)
    padded = functional.pad(WORDS, (0, extra[1], 0, extra[0]))
    torch.testing.assert_close(encoder(PICTURES, padded), encoder(PICTURES, WORDS))


def test_a_text_is_read_the_same_alone_and_among_others() -> None:
    encoder = ArticleEncoder(TINY, VECTORS).train()
    together = encoder(PICTURES, WORDS)
    for row in range(3):
        sentences = WORDS[row, : int(Lengths.of(WORDS).sentences[row])]
        alone = encoder(PICTURES[row : row + 1], sentences[None])
        torch.testing.assert_close(alone[0], together[row])


def test_order_of_words_and_sentences_matters() -> None:
    encoder, image = TextEncoder(TINY.text, VECTORS, 4), torch.randn(1, 4)
    one = encoder(torch.tensor([[[2, 3], [4, 5]]]), image)
    for other in ([[3, 2], [4, 5]], [[4, 5], [2, 3]]):
        assert not torch.allclose(encoder(torch.tensor([other]), image), one, atol=1e-3)


def test_the_image_decides_what_is_attended_to() -> None:
    attention = Attention(6, 4, 5)
    states, lengths = torch.randn(1, 5, 6).expand(2, -1, -1), torch.tensor([5, 3])
    _, weights = attention(states, torch.randn(2, 4), lengths)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert weights[1, 3:].tolist() == [0, 0]
    _, same = attention(states, torch.zeros(2, 4), torch.tensor([3, 3]))
    torch.testing.assert_close(same[0], same[1])
    _, other = attention(states, torch.randn(2, 4), torch.tensor([3, 3]))
    assert not torch.allclose(other[0], other[1], atol=1e-3)


def test_layer_normalisation_makes_the_scale_of_weights_irrelevant() -> None:
    """Ba et al. 2016, table 1: rescaling a whole matrix of weights changes nothing."""
    network, inputs = NormalisedLSTM(5, 8), torch.randn(2, 5)
    before = network(inputs, 6)
    with torch.no_grad():
        network.from_input.weight *= 30
        network.from_state.weight *= 0.5
    torch.testing.assert_close(network(inputs, 6), before, atol=1e-3, rtol=0)
    assert not torch.allclose(before[:, 0], before[:, 5], atol=1e-3)


def test_one_step_of_the_normalised_cell() -> None:
    """Equations 20 to 22 of Ba et al. 2016, written out for the second step."""
    network, inputs = NormalisedLSTM(3, 4), torch.randn(1, 3)

    def norm(values: Tensor) -> Tensor:
        return (values - values.mean()) / (values.var(unbiased=False) + 1e-5).sqrt()

    state, cell = torch.zeros(4), torch.zeros(4)
    for _ in range(2):
        gates = norm(network.from_state.weight @ state) + norm(network.from_input.weight @ inputs[0]) + network.bias
        forget, enter, leave, new = gates.split(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        state = leave.sigmoid() * norm(cell).tanh()
    torch.testing.assert_close(network(inputs, 2)[0, 1], state)


def test_cosine_loss_counts_known_words_only() -> None:
    real = WORDS[Lengths.of(WORDS).real].long()
    right = VECTORS[real]
    assert text_losses(right, WORDS, VECTORS).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert text_losses(-3 * right, WORDS, VECTORS).tolist() == pytest.approx([2, 2, 2])
    wrong_elsewhere = torch.where((real > 1).unsqueeze(2), right, -right)
    assert text_losses(wrong_elsewhere, WORDS, VECTORS).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    one_wrong = right.clone()
    one_wrong[1, 0] *= -1  # the only word of the second sentence of the first text
    assert text_losses(one_wrong, WORDS, VECTORS).tolist() == pytest.approx([0.5, 0, 0], abs=1e-6)
    unknown = torch.ones(1, 1, 2, dtype=torch.int32)
    assert text_losses(torch.randn(1, 2, 7), unknown, VECTORS).tolist() == [0]


def test_pixels_are_scaled_as_the_backbone_was_trained() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(48).view(2, 4, 4, 3)
    scaled = scale_pixels(pixels)
    assert scaled.shape == (2, 3, 4, 4)
    assert (scaled[0].unique().tolist(), scaled[1].unique().tolist()) == ([-1], [1])


def test_bfloat16_is_inside_only() -> None:
    encoder, decoder = ImageEncoder(TINY.image), ImageDecoder(24, TINY.image)
    exact = encoder(PICTURES), decoder(torch.ones(2, 24))
    encoder.mixed = decoder.mixed = True
    mixed = encoder(PICTURES), decoder(torch.ones(2, 24))
    for one, other in zip(mixed, exact, strict=True):
        assert one.dtype == torch.float32
        assert not torch.equal(one, other)
        assert (one - other).norm() < 0.05 * other.norm()


def descend(network: nn.Module, loss: Callable[[], Tensor], steps: int = 25) -> tuple[float, float]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    values = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values[0], values[-1]


def test_a_few_steps_lower_the_loss_of_the_picture() -> None:
    network = Autoencoder(TINY, VECTORS)
    first, last = descend(network, lambda: image_losses(network(PICTURES, WORDS).picture, PICTURES).mean())
    assert last < 0.9 * first


def test_a_few_steps_lower_the_loss_of_the_words() -> None:
    network = Autoencoder(TINY, VECTORS)
    first, last = descend(network, lambda: text_losses(network(PICTURES, WORDS).words, WORDS, VECTORS).mean())
    assert last < 0.6 * first


def test_a_few_steps_lower_the_loss_of_the_classifier() -> None:
    network, truth = Classifier(TINY, VECTORS), torch.tensor([0, 1, 2])
    first, last = descend(network, lambda: functional.cross_entropy(network(PICTURES, WORDS).abs, truth))
    assert last < 0.5 * first
