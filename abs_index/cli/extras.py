"""What a command says where the optional packages that it needs are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from abs_index.errors import MissingExtraError


@contextmanager
def training_extra() -> Iterator[None]:
    """Around the imports that need the extra [train]. Raises MissingExtraError where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name in ("torch", "timm"):
            raise MissingExtraError("training", "train") from None
        raise
