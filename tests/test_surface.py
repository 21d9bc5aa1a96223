"""Public names, presets, and the shape checker itself."""

import pytest
import torch

import mim4d
from mim4d.build.pretraining import build_model
from mim4d.config.presets import PRESETS
from mim4d.geometry.rigid import invert_rigid


def test_public_names() -> None:
    assert sorted(mim4d.__all__) == [
        "Clip",
        "NuscenesDataset",
        "VideoEncoder",
        "VoxelGrid",
        "__version__",
        "collate",
        "load_encoder",
        "preset",
        "single_frame",
    ]
    assert all(getattr(mim4d, name) is not None for name in mim4d.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        mim4d.no_such_name  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_build_on_the_meta_device(name: str) -> None:
    with torch.device("meta"):
        model = build_model(PRESETS[name]())
    assert sum(parameter.numel() for parameter in model.parameters()) > 1000


@pytest.mark.slow  # `make quick` runs without the checker of shapes
def test_wrong_shapes_raise() -> None:
    """The canary: without the shape checker every annotation would be decoration."""
    with pytest.raises(Exception, match="4 4"):
        invert_rigid(torch.zeros(2, 3, 4))
