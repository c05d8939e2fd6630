"""Where the data that ships with the package lies: recipes, models, mappings."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

Shipped = Literal["pipelines", "models", "mappings"]


def shipped(folder: Shipped) -> Path:
    """The folder of shipped data: inside the package where it was installed from a wheel, beside it in a checkout."""
    package = Path(str(files("abs_index")))
    installed = package / "shipped" / folder
    return installed if installed.is_dir() else package.parent / folder
