"""Land that never was: fractal heights, their shading, and a view into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float64]
Colours = NDArray[np.float64]
"""Red, green, blue from 0 to 1 in the last dimension."""


def fractal(rng: Generator, shape: tuple[int, int], roughness: float = 2.0) -> Field:
    """Noise whose waves are the weaker the shorter they are; mean 0, deviation 1. `roughness` is the slope."""
    across = np.fft.rfftfreq(shape[1])[None, :] * shape[1]
    down = np.fft.fftfreq(shape[0])[:, None] * shape[0]
    frequency = np.hypot(across, down)
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(rng.standard_normal(shape)) * frequency**-roughness
    field = np.fft.irfft2(waves, shape)
    return np.asarray((field - field.mean()) / field.std())


def blurred(field: Field, radius: float) -> Field:
    """A field without its waves shorter than `radius` pixels; edges wrap around."""
    across, down = np.fft.rfftfreq(field.shape[1])[None, :], np.fft.fftfreq(field.shape[0])[:, None]
    return np.asarray(
        np.fft.irfft2(np.fft.rfft2(field) * np.exp(-19.7 * radius**2 * (across**2 + down**2)), field.shape)
    )


def shade(height: Field, strength: float = 1.0, sun: tuple[float, float, float] = (-0.5, -0.6, 0.62)) -> Field:
    """Brightness from 0 to 1 of a surface of these heights in the light of a sun (towards x, y, up)."""
    slope_y, slope_x = np.gradient(height * strength)
    light = (-slope_x * sun[0] - slope_y * sun[1] + sun[2]) / np.sqrt(1 + slope_x**2 + slope_y**2)
    return np.asarray(np.clip(light / np.linalg.norm(sun), 0, 1))


def ramp(value: Field, stops: Sequence[tuple[float, str]]) -> Colours:
    """Colours of values, mixed between stops of (value, "#rrggbb")."""
    places = [stop for stop, _ in stops]
    channels = zip(*(colour_parts(colour) for _, colour in stops), strict=True)
    return np.stack([np.interp(value, places, channel) for channel in channels], axis=-1)


def colour_parts(colour: str) -> tuple[float, float, float]:
    """ "#ff0000" as (1.0, 0.0, 0.0)."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def photograph(colours: Colours, rng: Generator, grain: float = 0.015) -> Image.Image:
    """Colours as a picture with the noise of a camera."""
    noisy = colours + rng.normal(0, grain, colours.shape)
    return Image.fromarray((np.clip(noisy, 0, 1) * 255).astype(np.uint8), "RGB")


class Eye(NamedTuple):
    """Where a view is taken from: place in the field, height above it, and how many pixels a unit of slope is."""

    x: float
    y: float
    height: float
    horizon: float
    zoom: float = 420.0


def view(height: Field, colours: Colours, sky: Colours, eye: Eye, haze: str = "#c8d6e5", far: float = 900) -> Colours:
    """What an eye sees of a relief, looking towards smaller y: columns of pixels are filled from front to back."""
    rows, columns = sky.shape[:2]
    picture = sky.copy()
    reached = np.full(columns, rows)
    row_numbers = np.arange(rows)[:, None]
    spread = (np.arange(columns) - columns / 2) / eye.zoom
    fog = np.array(colour_parts(haze))
    distance = 4.0
    while distance < far:
        x = np.round(eye.x + spread * distance).astype(int) % height.shape[1]
        y = round(eye.y - distance) % height.shape[0]
        top = np.clip(eye.horizon + (eye.height - height[y, x]) / distance * eye.zoom, 0, rows).astype(int)
        share = 1 - np.exp(-distance / far * 1.6)
        mask = (row_numbers >= top) & (row_numbers < reached)
        picture[mask] = np.broadcast_to(colours[y, x] * (1 - share) + fog * share, picture.shape)[mask]
        reached = np.minimum(reached, top)
        distance *= 1.012
    return picture
