"""Loading a model: the folder is checked, then handed to the runtime of the device.

Runtimes are entry points of the group `abs_index.runtimes`, named after the device; each is a function of
(folder, threads) that gives a `PairModel`. So this stage knows no torch, and other packages can add devices.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast

from abs_index.errors import MissingExtraError, UsageError
from abs_index.model.base import PairModel
from abs_index.model.folder import ModelFolder, find_model, open_folder

Device = Literal["auto", "cpu", "cuda"]

_GROUP = "abs_index.runtimes"

_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What a GPU of NVIDIA, of AMD, and one lent to Linux by Windows shows itself as."""


def load_model(name: str | Path = "default", *, device: str = "auto", threads: int | None = None) -> PairModel:
    """The model with this name among the shipped ones, or in this folder, ready to run on a device.

    `auto` is cuda where torch is installed and sees a GPU, else cpu. `threads` bounds those that a network uses on a
    CPU; left out, all cores.

    Raises UsageError for a name or device that does not exist, ModelError for a folder that is missing, damaged or
    foreign, MissingExtraError for a device whose packages are not installed.
    """
    folder = open_folder(find_model(name))
    runtimes = {point.name: point for point in entry_points(group=_GROUP)}
    if device == "auto":
        device = usable_devices()[0]
    if device not in runtimes:
        raise UsageError(f"no device {device!r}; there are: auto, {', '.join(sorted(runtimes))}")
    try:
        runtime = runtimes[device].load()
    except ModuleNotFoundError as error:
        if error.name in ("torch", "timm"):
            raise MissingExtraError(f"device {device!r}", "gpu") from None
        raise
    return cast(PairModel, runtime(folder, threads))


def usable_devices() -> list[str]:
    """The devices that a model can run on here; the first one is that of `auto`."""
    devices = {point.name for point in entry_points(group=_GROUP)}
    first = ["cuda"] if "cuda" in devices and _sees_gpu() else []
    return [*first, *sorted(devices - {"cuda"})]


def load_cpu(folder: ModelFolder, threads: int | None = None) -> PairModel:
    """The runtime `cpu`."""
    from abs_index.model.cpu import CpuModel  # OpenVINO takes half a second to import

    return CpuModel(folder, threads)


def _sees_gpu() -> bool:
    if find_spec("torch") is None or find_spec("timm") is None:
        return False
    # Importing torch only to learn that there is none takes longer than a small build.
    if sys.platform == "linux" and not any(Path(driver).exists() for driver in _DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()
