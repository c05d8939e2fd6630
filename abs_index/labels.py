"""The closed vocabularies of the project: what `abs`, `kind` and `role` can be.

The order is the order of the columns wherever probabilities stand in an array.
"""

from __future__ import annotations

from typing import Literal, get_args

Abs = Literal["image_more_abstract", "text_more_abstract", "equal"]
"""Relative abstractness of a pair: I >a T, I <a T, I =a T (Otto, Holzki, Ewerth 2019, section 3)."""

Kind = Literal[
    "photo", "micrograph", "drawing", "diagram", "flowchart", "plot", "map", "screenshot", "table", "formula", "mixed"
]
"""What the image of a figure is."""

Role = Literal["caption", "mention"]
"""What the text of a pair is to its figure."""

ABS: tuple[Abs, ...] = get_args(Abs)
KINDS: tuple[Kind, ...] = get_args(Kind)
ROLES: tuple[Role, ...] = get_args(Role)
