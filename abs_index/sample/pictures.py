"""Which picture lies where in the sample corpus, and the function that draws it."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath
from zlib import crc32

import numpy as np
from numpy.random import Generator
from PIL import Image

from abs_index.sample import flowcharts, landscapes, maps, plots, schematics, specimens, tables

PICTURES: dict[str, Callable[[Generator], Image.Image]] = {
    "articles/traffic-waves/ring-road.jpg": landscapes.ring_road,
    "articles/traffic-waves/trajectories.png": plots.trajectories,
    "articles/traffic-waves/fundamental-diagram.png": plots.fundamental_diagram,
    "articles/traffic-waves/driver-step.png": flowcharts.driver_step,
    "articles/gel-electrophoresis/apparatus.png": schematics.gel_apparatus,
    "articles/gel-electrophoresis/protocol.png": flowcharts.gel_protocol,
    "articles/gel-electrophoresis/gel-photo.jpg": specimens.gel,
    "articles/gel-electrophoresis/calibration.png": plots.calibration,
    "articles/gel-electrophoresis/fragments.png": tables.fragment_table,
    "articles/wind-turbines/hills.jpg": landscapes.turbines,
    "articles/wind-turbines/site-map.png": maps.wind_farm,
    "articles/wind-turbines/wind-rose.png": plots.wind_rose,
    "articles/wind-turbines/nacelle.png": schematics.nacelle,
    "articles/wind-turbines/power-curve.png": plots.power_curve,
    "articles/river-erosion/gorge.jpg": landscapes.canyon,
    "articles/river-erosion/knickpoint.png": schematics.knickpoint,
    "articles/river-erosion/profiles.png": plots.river_profiles,
    "articles/river-erosion/catchment.tif": maps.catchment,
    "textbook/media/cell-cycle.png": flowcharts.cell_cycle,
    "textbook/media/dna-content.png": plots.dna_content,
    "textbook/media/dividing-cells.jpg": specimens.dividing_cells,
    "textbook/media/chromosome-pairing.png": schematics.chromosome_pairing,
    "textbook/media/chromosome-numbers.png": tables.chromosome_table,
    "textbook/media/tendon-levels.png": schematics.tendon_levels,
    "textbook/media/collagen.jpg": specimens.fibres,
    "textbook/media/stress-strain.png": plots.stress_strain,
    "textbook/media/moon.jpg": specimens.moon,
    "textbook/media/moon-orbit.png": schematics.moon_orbit,
    "textbook/media/moon-phases.png": tables.phase_table,
    "lectures/volcanoes/dusk.jpg": landscapes.volcano,
    "lectures/volcanoes/section.png": schematics.volcano_section,
    "lectures/volcanoes/plates.png": maps.plates,
    "lectures/volcanoes/counts.png": plots.eruption_counts,
    "lectures/sorting/quicksort.png": flowcharts.quicksort,
    "lectures/sorting/merge-tree.png": flowcharts.recursion_tree,
    "lectures/sorting/times.png": plots.running_times,
    "lectures/sorting/run.png": tables.terminal,
    "packages/coral-reefs/symbiosis.png": flowcharts.symbiosis,
    "packages/coral-reefs/atoll.png": maps.reef_zones,
    "packages/coral-reefs/living.jpg": landscapes.living_coral,
    "packages/coral-reefs/bleached.jpg": landscapes.bleached_coral,
    "packages/coral-reefs/cover.png": plots.bleaching_series,
}
"""By path below the corpus. What lies below `packages/` is packed afterwards."""

DAMAGED = "articles/wind-turbines/mast.jpg"
"""A picture that is cut off on purpose, so that there is something to reject."""


def picture_files() -> dict[str, Callable[[], bytes]]:
    """Every picture file of the corpus with the function that makes its content."""
    files: dict[str, Callable[[], bytes]] = {name: _drawer(name) for name in PICTURES}
    files[DAMAGED] = lambda: _encoded(Image.new("RGB", (480, 640), "#88aacc"), ".jpg")[:1200]
    return files


def _drawer(name: str) -> Callable[[], bytes]:
    # The seed depends on the name alone: a picture added later leaves the others as they are.
    return lambda: _encoded(PICTURES[name](np.random.default_rng(crc32(name.encode()))), PurePosixPath(name).suffix)


def _encoded(image: Image.Image, suffix: str) -> bytes:
    buffer = BytesIO()
    if suffix == ".jpg":
        image.save(buffer, "JPEG", quality=88)
    elif suffix == ".tif":
        image.save(buffer, "TIFF", compression="tiff_lzw")
    else:
        image.save(buffer, "PNG")
    return buffer.getvalue()
