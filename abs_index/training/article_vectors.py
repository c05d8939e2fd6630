"""Article embeddings of a frozen encoder (regime `freeze`): computed once, so that no step runs the text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from abs_index.networks.paper.image import scale_pixels
from abs_index.networks.paper.network import ArticleEncoder
from abs_index.training.kept_vectors import kept_vectors
from abs_index.training.pair_batches import PairBatches
from abs_index.training.steps import StepProgress
from abs_index.training.training_folder import identify

VECTORS = "articles.safetensors"

_CHUNK = 32


def article_vectors(
    encoder: ArticleEncoder,
    batches: PairBatches,
    texts: Sequence[str],
    folder: Path,
    device: torch.device,
    progress: StepProgress | None = None,
) -> Tensor:
    """float32 (N, E): the article embedding of each of the pairs, whose image vectors are known and have these texts.

    They are kept in `folder`/articles.safetensors, as image vectors are.
    """

    def begin() -> None:
        encoder.to(device)
        if progress and progress.note:
            progress.note(f"{len(texts):,} pairs: their embeddings are computed once, because the encoder is frozen")

    def encode(rows: range) -> Tensor:
        return _encode(encoder, batches, rows)

    weights = (identify(name, value.cpu().numpy().tobytes()) for name, value in encoder.state_dict().items())
    images = b"" if batches.vectors is None else batches.vectors.numpy().tobytes()
    return kept_vectors(folder / VECTORS, identify(*weights, images, *texts), len(texts), encode, begin)


@torch.no_grad()
def _encode(encoder: ArticleEncoder, batches: PairBatches, rows: range) -> Tensor:
    device = next(encoder.parameters()).device
    mode, parts = encoder.training, []
    encoder.eval()
    for start in range(rows.start, rows.stop, _CHUNK):
        batch = batches.load(range(start, min(start + _CHUNK, rows.stop))).to(device)
        parts.append(encoder(scale_pixels(batch.pixels), batch.words, batch.vectors).cpu())
    encoder.train(mode)
    return torch.cat(parts)
