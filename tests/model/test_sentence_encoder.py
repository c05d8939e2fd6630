from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abs_index.errors import MissingExtraError, ModelError
from abs_index.model import text_encoder
from abs_index.model.text_encoder import TextEncoder, encoder_files, load_text_encoder

pytestmark = pytest.mark.skipif(not text_encoder.is_installed(), reason="the extra [semantic] is not installed")


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return load_text_encoder(threads=1)


def test_vectors_are_those_of_the_published_model(encoder: TextEncoder) -> None:
    # as the graph gave them when it agreed with the same weights in torch to 2e-7
    (vector,) = encoder.encode(["A windmill on a hill, drawn in ink."])
    assert vector[:4].tolist() == pytest.approx([-0.062905, 0.101212, -0.045366, 0.063229], abs=1e-4)


def test_what_means_the_same_is_near(encoder: TextEncoder) -> None:
    texts = ["A windmill on a hill", "A turbine that the wind turns", "Cells divide under the microscope"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.info.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    near = vectors @ vectors.T
    assert near[0, 1] > near[0, 2] + 0.2


def test_a_vector_depends_on_its_text_alone(encoder: TextEncoder) -> None:
    texts = ["short", "", "much longer than the first, and so padded with others " * 3, "x " * 500]
    together = encoder.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        assert encoder.encode([text])[0] == pytest.approx(vector, abs=1e-5)
    assert not together[1].any()
    assert encoder.encode([]).shape == (0, encoder.info.dim)


def test_what_is_too_long_is_cut(encoder: TextEncoder) -> None:
    head = "word " * 200
    assert encoder.encode([head + "turbine"])[0] == pytest.approx(encoder.encode([head + "cell"])[0], abs=1e-6)


def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    from abs_index.model.sentence_encoder import SentenceEncoder

    for name in ("vocab.txt", "model.safetensors"):
        content = (encoder_files("this test", "semantic") / name).read_bytes()
        (tmp_path / name).write_bytes(content if name == "vocab.txt" else content[:100_000])
    with pytest.raises(ModelError, match=r"model\.safetensors: not the weights of all-MiniLM-L6-v2"):
        SentenceEncoder(tmp_path)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_encoder, "find_spec", lambda name: None)
    assert not text_encoder.is_installed()
    with pytest.raises(MissingExtraError, match=r"abs-index\[semantic\]"):
        load_text_encoder()
