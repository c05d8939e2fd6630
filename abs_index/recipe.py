"""Recipes: TOML files that fully say how a corpus is processed and how a model is built and trained.

A recipe is validated once, here, into one strict object; nothing behind it handles dictionaries.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class CorpusSettings(Section):
    """Limits for untrusted input (section `[corpus]`). What is over a limit is a reject that names the limit."""

    max_image_pixels: int = Field(default=100_000_000, gt=0)
    """Width times height; checked from the header, before anything is decoded."""
    max_file_bytes: int = Field(default=256 * 2**20, gt=0)
    """One document or image, unpacked."""
    max_archive_bytes: int = Field(default=16 * 2**30, gt=0)
    """One archive, unpacked."""
    max_archive_ratio: int = Field(default=200, gt=0)
    """Unpacked over packed size of one archive, from 64 MiB unpacked on."""
