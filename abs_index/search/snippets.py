"""The part of a text that shows best why it was found."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int]

LENGTH = 240
_GAP = "…"


def cut(text: str, found: Sequence[Span], length: int = LENGTH) -> tuple[str, tuple[Span, ...]]:
    """A snippet of about `length` characters with as many of the found words as possible, and where they stand in it.

    >>> cut("one two three four five", [(14, 18)], length=12)
    ('…four five', ((1, 5),))
    """
    if len(text) <= length:
        return text, tuple(found)
    start, end = _window(text, found, length)
    before, after = (_GAP if start > 0 else ""), (_GAP if end < len(text) else "")
    shift = len(before) - start
    inside = tuple((first + shift, min(last, end) + shift) for first, last in found if start <= first < end)
    return f"{before}{text[start:end]}{after}", inside


def _window(text: str, found: Sequence[Span], length: int) -> Span:
    """Start and end of the snippet, at the edges of words where there are any near."""
    best = max(found, key=lambda span: _held(found, span[0], length), default=(0, 0))[0]
    before = length // 4
    start = 0 if best <= before else _next_word(text, best - before, best)
    end = min(len(text), start + length)
    if end < len(text) and (space := text.rfind(" ", start + length // 2, end + 1)) > best:
        end = space
    return start, end


def _held(found: Sequence[Span], start: int, length: int) -> int:
    return sum(start <= first and last <= start + length for first, last in found)


def _next_word(text: str, start: int, limit: int) -> int:
    space = text.find(" ", start, limit)
    return start if space < 0 else space + 1
