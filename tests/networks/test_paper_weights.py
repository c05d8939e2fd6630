"""First weights of the paper's image encoder: hub, package, file, and what is said where they are not to be had."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from abs_index.errors import ModelError
from abs_index.networks.image import fold_norms
from abs_index.networks.paper.image import ImageEncoder
from abs_index.paper_settings import PaperImageSettings

NAME = "test_efficientnet"


def settings(weights: str, encoder: str = NAME) -> PaperImageSettings:
    return PaperImageSettings(encoder=encoder, weights=weights, size=40)


def write_weights(path: Path, classes: int = 1000) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    tensors = timm.create_model(NAME, num_classes=classes).state_dict()
    save_file(tensors, path)
    return dict(tensors)


@pytest.mark.parametrize("classes", [0, 1000])
def test_a_file_with_and_without_the_last_layer(tmp_path: Path, classes: int) -> None:
    tensors = write_weights(tmp_path / "weights.safetensors", classes)
    network = ImageEncoder(settings(str(tmp_path / "weights.safetensors")))
    torch.testing.assert_close(network.backbone.conv_stem.weight, tensors["conv_stem.weight"])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a hub's cache for the test network, while no network can be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path / "models--timm--test_efficientnet.r160_in1k"


def test_weights_of_the_hub_come_from_its_cache(hub: Path) -> None:
    snapshot = hub / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("a" * 40)
    tensors = write_weights(snapshot / "model.safetensors")
    network = ImageEncoder(settings("timm"))
    torch.testing.assert_close(network.backbone.conv_stem.weight, tensors["conv_stem.weight"])


def test_a_hub_that_cannot_be_reached(hub: Path) -> None:
    with pytest.raises(
        ModelError, match=r"weights of test_efficientnet cannot be had from timm's hub .*name a file"
    ) as e:
        ImageEncoder(settings("timm"))
    assert "\n" not in str(e.value)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    foreign, damaged = tmp_path / "foreign.safetensors", tmp_path / "damaged.safetensors"
    save_file({"conv_stem.weight": torch.zeros(3)}, foreign)
    damaged.write_bytes(b"\xff" * 40)
    for weights, message in (
        (str(foreign), "foreign.safetensors': not those of test_efficientnet"),
        (str(damaged), "damaged.safetensors': cannot be read"),
        (str(tmp_path / "none.safetensors"), "none.safetensors': cannot be read"),
        ("package", "'package' are those of tf_efficientnet_lite0, not of test_efficientnet"),
    ):
        with pytest.raises(ModelError, match=message) as caught:
            ImageEncoder(settings(weights))
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"encoder 'inception_v9': timm .* has no network of this name"):
        ImageEncoder(settings("random", "inception_v9"))


def test_a_backbone_that_is_not_trained() -> None:
    frozen = ImageEncoder(settings("random").model_copy(update={"fine_tune": False}))
    assert not any(value.requires_grad for value in frozen.parameters())
    assert all(value.requires_grad for value in ImageEncoder(settings("random")).parameters())


def test_factors_of_attention_stay_where_they_are() -> None:
    backbone = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    before = [block.scale for block in backbone.modules() if isinstance(getattr(block, "scale", None), float)]
    assert before
    fold_norms(backbone)
    assert [block.scale for block in backbone.modules() if isinstance(getattr(block, "scale", None), float)] == before


def test_factors_of_residual_blocks_go_into_the_convolutions_before_them() -> None:
    torch.manual_seed(1)
    backbone = timm.create_model("inception_resnet_v2", pretrained=False, num_classes=0).eval()
    blocks = [block for block in backbone.modules() if isinstance(getattr(block, "scale", None), float)]
    assert {block.scale for block in blocks} == {0.17, 0.10, 0.20, 1.0}
    pixels = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        before = backbone(pixels)
    fold_norms(backbone)
    assert {block.scale for block in blocks} == {1.0}
    with torch.inference_mode():
        torch.testing.assert_close(backbone(pixels), before, rtol=1e-3, atol=1e-4)
