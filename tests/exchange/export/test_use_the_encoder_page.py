"""The code of docs/use_the_encoder.md runs on a run of preset `toy` and gives what it says."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import mim4d
from mim4d.cli import main
from tests.conftest import ROOT
from tests.exchange.export.cases import assert_same
from tests.reference.mmdet import ConvNeXt, Fpn, pretrained_part

PAGE = (ROOT / "docs" / "use_the_encoder.md").read_text()


@pytest.fixture
def ran(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> dict[str, Any]:
    """What a section's code has defined after all of it ran, beside a run called RUN."""
    (text,) = re.findall(rf"^## {request.param}.*?\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    shutil.copytree(finished, tmp_path / "RUN")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"encoder_of_run": mim4d.load_encoder("RUN")}
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S):
        if language == "sh":
            for line in code.splitlines():
                program, *argv = line.split()
                assert program == "mim4d"
                assert main(argv) == 0
        else:
            exec(code, names)
    return names


@pytest.mark.parametrize("ran", ["timm and torchvision"], indirect=True)
def test_timm_and_torchvision(ran: dict[str, Any]) -> None:
    image_encoder, images = ran["encoder_of_run"].image_encoder, ran["images"]
    assert [images.shape[-1] // x.shape[-1] for x in ran["maps"]] == [8, 16, 32]
    with torch.no_grad():
        assert_same(ran["normed"], image_encoder(images))
        normalised = (images - ran["mean"]) / ran["std"]
        features = ran["model"].eval().features(normalised)
        assert_same([image_encoder.out_norms[-1](features)], image_encoder(images)[-1:])
        assert ran["model"](normalised).shape == ran["logits"].shape == (2, 10)


@pytest.mark.parametrize("ran", ["A detector of the mmdet3d line"], indirect=True)
def test_mmdet(ran: dict[str, Any]) -> None:
    """The configuration builds the twins, which take the weights and give the run's features."""
    model, norm = ran["model"], ran["img_norm_cfg"]
    backbone, neck = ConvNeXt(**model["img_backbone"]), Fpn(**model["img_neck"])
    for part, module in (("img_backbone", backbone), ("img_neck", neck)):
        cfg = model[part]["init_cfg"]
        file = torch.load(cfg["checkpoint"], weights_only=True)
        found = module.load_state_dict(pretrained_part(file, cfg), strict=False)
        assert not found.unexpected_keys
        assert all(name.startswith(("fpn_convs.1", "fpn_convs.2")) for name in found.missing_keys)
    levels = torch.randint(0, 256, (1, 3, 64, 96)).float()
    mean, std = (torch.tensor(norm[key])[:, None, None] for key in ("mean", "std"))
    assert norm["to_rgb"]
    with torch.no_grad():
        expected = ran["encoder_of_run"].encode_images(levels / 255)
        assert_same(neck(backbone((levels - mean) / std))[:1], expected)


@pytest.mark.parametrize("ran", ["Plain torch"], indirect=True)
def test_plain_torch(ran: dict[str, Any]) -> None:
    encoder, volume = ran["encoder_of_run"], ran["volume"]
    grid = encoder.grid
    assert volume.shape == (1, 8, *grid.shape_zyx)
    assert ran["centres"].shape == (*grid.shape_zyx, 3)
    assert ran["depth_probs"].shape == (1, 2, len(ran["bins_m"]), 8, 12)
    assert len(ran["maps"]) == 1
    with torch.no_grad():
        assert torch.equal(encoder(ran["clip"])[:, 0], volume)
    # The page's cameras look ahead and back along z, with the picture's top up.
    axes = ran["ego_from_camera"][0, :, :3, :3]
    assert axes[0, :, 2].tolist() == [1, 0, 0]
    assert axes[1, :, 2].tolist() == [-1, 0, 0]
    assert (axes[:, :, 1] == torch.tensor([0.0, 0.0, -1.0])).all()
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(2))
