"""Vectors of single words, from which the word table starts."""

from __future__ import annotations

import pytest
import torch

from abs_index.model import text_encoder
from abs_index.training.sentence_encoder import DIM, SentenceEncoder

pytestmark = [
    pytest.mark.skipif(not text_encoder.is_installed(), reason="the sentence encoder is not installed"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


def test_words_have_the_vectors_of_the_encoder_of_searches(encoder: SentenceEncoder) -> None:
    words = ["turbine", "photolithographically", "a", "1965"]
    vectors = torch.nn.functional.normalize(encoder.encode_words(words), dim=1)
    searched = text_encoder.load_text_encoder(threads=1).encode(words)
    torch.testing.assert_close(vectors, torch.from_numpy(searched), atol=1e-5, rtol=0)


def test_a_vector_depends_on_its_word_alone(encoder: SentenceEncoder) -> None:
    words = ["photolithographically", "##ing", "[UNK]", "windmill"]
    together = encoder.encode_words(words, batch_size=3)
    assert together.shape == (len(words), DIM)
    for word, vector in zip(words, together, strict=True):
        torch.testing.assert_close(encoder.encode_words([word])[0], vector, atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.1
