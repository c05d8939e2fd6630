"""Loading the shipped model and damaged copies of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from PIL import Image

from abs_index.errors import MissingExtraError, ModelError, UsageError
from abs_index.labels import ABS, KINDS
from abs_index.model.base import PairModel
from abs_index.model.cpu import CpuModel
from abs_index.model.folder import find_model, model_names, open_folder
from abs_index.model.load import load_model
from abs_index.recipe import load_recipe

TEXTS = ["The cell of Figure has 12 parts.", "", "word " * 900, "日本 µ\ud800", "A plot."]
ROLES = ["mention", "caption", "mention", "mention", "caption"]


@pytest.fixture(scope="module")
def model() -> PairModel:
    return load_model("default", device="cpu", threads=1)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_model("default"), tmp_path / "copy"))


def pictures(model: PairModel, count: int) -> np.ndarray:
    random = np.random.default_rng(3)
    side = model.info.image_size
    return random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_the_shipped_model_is_what_its_recipe_says(model: PairModel) -> None:
    assert "default" in model_names()
    assert open_folder(find_model("default")).recipe == load_recipe("default")
    assert sum(path.stat().st_size for path in find_model("default").iterdir()) < 60e6


def test_images_become_unit_vectors_whatever_the_batch(model: PairModel) -> None:
    pixels = pictures(model, 41)
    whole = model.encode_images(pixels)
    assert whole.embedding.shape == (41, model.info.image_dim)
    assert whole.embedding.dtype == whole.context.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whole.embedding, axis=1), 1, atol=1e-4)
    for part in (slice(0, 1), slice(1, 4), slice(32, 41)):
        np.testing.assert_allclose(model.encode_images(pixels[part]).embedding, whole.embedding[part], atol=1e-3)


def test_pairs_become_probabilities_and_unit_vectors_whatever_the_batch(model: PairModel) -> None:
    features = model.encode_images(pictures(model, 5))
    said = model.encode_pairs(features, TEXTS, ROLES)
    assert said.abs_prob.shape == (5, len(ABS))
    assert said.kind_prob.shape == (5, len(KINDS))
    assert said.embedding.shape == (5, model.info.pair_dim)
    for rows in (said.abs_prob.sum(1), said.kind_prob.sum(1), np.linalg.norm(said.embedding, axis=1)):
        np.testing.assert_allclose(rows, 1, atol=1e-4)
    for row in range(5):
        alone = model.encode_pairs(features.take([row]), [TEXTS[row]], [ROLES[row]])
        np.testing.assert_allclose(alone.abs_prob[0], said.abs_prob[row], atol=1e-3)
        np.testing.assert_allclose(alone.embedding[0], said.embedding[row], atol=1e-3)


def test_nothing_gives_nothing(model: PairModel) -> None:
    features = model.encode_images(pictures(model, 0))
    assert features.embedding.shape == (0, model.info.image_dim)
    assert model.encode_pairs(features, [], []).abs_prob.shape == (0, 3)


def test_a_text_changes_what_is_said_of_an_image(model: PairModel) -> None:
    pixels = model.preprocess(Image.new("RGB", (300, 200), "grey"))[None]
    features = model.encode_images(pixels).take([0, 0])
    long = "The heart pumps blood because its muscle contracts 72 times a minute, which moves formula litres. " * 3
    short, much = model.encode_pairs(features, ["The heart.", long], ["caption", "mention"]).abs_prob
    assert np.abs(short - much).max() > 0.05


def test_loading_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from abs_index.model.load import load_model\n"
        "load_model('default')\n"
        "assert not {'timm', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_fingerprint_stands_for_the_files(copy: Path) -> None:
    assert open_folder(copy).info.fingerprint == open_folder(find_model("default")).info.fingerprint


def test_unknown_names_and_devices_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no model 'large'; there are: .*default"):
        load_model("large")
    with pytest.raises(UsageError, match=r"no device 'tpu'; there are: auto, cpu"):
        load_model("default", device="tpu")
    with pytest.raises(ModelError, match="no such folder"):
        load_model(tmp_path / "none")


def test_a_device_whose_packages_are_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torch" or name == "abs_index.networks.runtime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"abs-index\[gpu\]"):
        load_model("default", device="cuda")


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml", "vocabulary.txt", "image.xml", "pair.xml"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: cannot be read: No such file"):
        load_model(copy)


@pytest.mark.parametrize("name", ["recipe.toml", "vocabulary.txt", "image.xml", "pair.xml"])
def test_a_file_of_another_model_is_refused(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    with pytest.raises(ModelError, match=f"{name}: does not belong to model.safetensors"):
        load_model(copy)


def test_damaged_and_foreign_weights_are_refused(copy: Path) -> None:
    path = copy / "model.safetensors"
    content = path.read_bytes()
    foreign = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    cases = {
        content[:-1000]: "damaged: .* bytes",
        content[:4]: "damaged, or not in the safetensors",
        b"": "damaged, or not in the safetensors",
        b"\x80\x04pickle" * 100: "damaged, or not in the safetensors",
        len(foreign).to_bytes(8, "little") + foreign + b"ab": "weights of another program",
    }
    for damaged, message in cases.items():
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=message) as caught:
            load_model(copy)
        assert "\n" not in str(caught.value)


def test_bfloat16_keeps_labels_and_vectors(model: PairModel) -> None:
    """Where the processor has no bfloat16, OpenVINO calculates in float32 all the same."""
    lower = CpuModel(open_folder(find_model("default")), precision="bf16")
    pixels = pictures(model, 4)
    exact, rounded = model.encode_images(pixels), lower.encode_images(pixels)
    assert (np.sum(exact.embedding * rounded.embedding, axis=1) > 0.99).all()


def test_only_what_reads_and_what_sees_is_calculated_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel machine compares small distances."""
    compile_model, compiled = openvino.Core.compile_model, []

    def note(core: openvino.Core, graph: openvino.Model, device: str, options: dict[str, object]) -> object:
        outputs = {name for place in graph.outputs for name in place.names}
        compiled.append((options["INFERENCE_PRECISION_HINT"], "abs" in outputs, len(graph.inputs)))
        return compile_model(core, graph, device, options)

    monkeypatch.setattr(openvino.Core, "compile_model", note)
    reader = CpuModel(open_folder(find_model("default")), 1, "bf16")
    reader.encode_images(pictures(reader, 1))
    CpuModel(open_folder(find_model("fast")), 1, "bf16")
    reading, answering, seeing, whole = ("bf16", False, 1), ("f32", True, 4), ("bf16", False, 1), ("f32", True, 3)
    assert compiled == [reading, answering, seeing, whole]


def test_a_text_beside_several_figures_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CpuModel(open_folder(find_model("default")), 1, "f32")
    features = reader.encode_images(pictures(reader, 5))
    texts = ["One text of some words.", "Another text, of others.", "One text of some words."] * 15
    figures = [0, 1, 2, 3, 4] * 9
    read: list[int] = []
    graph = reader._read

    def count(inputs: list[np.ndarray]) -> object:
        read.append(len(inputs[0]))
        return graph(inputs)

    monkeypatch.setattr(reader, "_read", count)
    said = reader.encode_pairs(features.take(figures), texts, ["mention"] * len(texts))
    # 45 pairs are two batches, and in one of them both texts meet.
    assert sum(read) == 3
    for row in (0, 1, 31, 44):
        alone = reader.encode_pairs(features.take([figures[row]]), [texts[row]], ["mention"])
        np.testing.assert_allclose(alone.abs_prob[0], said.abs_prob[row], atol=1e-5)
        np.testing.assert_allclose(alone.embedding[0], said.embedding[row], atol=1e-4)


def test_torch_is_not_imported_to_learn_that_there_is_no_gpu() -> None:
    code = (
        "import sys; from abs_index.model import load; load._DRIVERS = (); "
        "load.load_model(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


CORES = """
import os
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from abs_index.model.load import load_model

model = load_model("fast", device="cpu", threads=1)
side = model.info.image_size
pixels = np.zeros((8, side, side, 3), np.uint8)
seen = {frozenset(os.sched_getaffinity(0))}
with ThreadPoolExecutor(1) as pool:
    work = pool.submit(lambda: [model.encode_images(pixels) for _ in range(3)])
    while not work.done():
        for thread in os.listdir("/proc/self/task"):
            try:
                seen.add(frozenset(os.sched_getaffinity(int(thread))))
            except ProcessLookupError:
                pass
work.result()
print(len(seen))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux which cores a thread may run on")
def test_two_processes_of_one_thread_do_not_have_to_share_a_core() -> None:
    said = subprocess.run([sys.executable, "-c", CORES], capture_output=True, text=True, check=True)
    assert said.stdout == "1\n", "some thread may not run on all cores that the process has"
