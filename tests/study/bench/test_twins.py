"""Twins and parts give the same values and gradients: what makes a ratio of their times fair."""

from functools import partial
from operator import add
from pathlib import Path

import pytest
import torch

from mim4d.study.bench.parts.parameters import PARTS, Parameters


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.slow
def test_a_part_equals_its_twin(part: str, build_case, tmp_path: Path) -> None:
    parameters = Parameters(part, "small", rays=64)
    own, twin = build_case(parameters), build_case(parameters, twin=True)
    twin.module.load_state_dict(own.module.state_dict())
    expected, found = own.numbers(), twin.numbers()
    assert found.keys() == expected.keys()
    assert any(name.startswith("output") for name in found)
    for name, value in expected.items():
        largest = value.abs().max().item()
        torch.testing.assert_close(
            found[name], value, rtol=1e-3, atol=1e-4 * largest + 1e-6, msg=partial(add, name)
        )
    # A part whose gradients are all zero would agree with anything.
    assert all(value.isfinite().all() for value in found.values())
    gradients = [value for name, value in found.items() if not name.startswith("output")]
    assert sum(bool(value.any()) for value in gradients) >= 0.9 * len(gradients) > 0


@pytest.mark.slow
def test_a_twin_computes_without_the_part_it_is_the_twin_of(build_case, monkeypatch) -> None:
    """Were a part to run inside its twin, making it faster would make the yardstick faster."""
    case = build_case(Parameters("step", "small", rays=32), twin=True)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a twin ran the library's own part")

    for name in (
        "mim4d.models.encoder.hide.hide",
        "mim4d.models.encoder.convnext.add_block",
        "mim4d.models.encoder.convnext.add_block_on_rows",
        "mim4d.models.lifting.lookup.project_voxels",
        "mim4d.models.lifting.lookup.lift",
        "mim4d.models.neck.FeaturePyramid.forward",
        "mim4d.models.depth_head.DepthHead.forward",
        "mim4d.models.volume_conv.conv3d_same",
        "mim4d.temporal.attention.DeformableAttention.forward",
        "mim4d.temporal.decoder.TemporalLayer.forward",
        "mim4d.rendering.renderer.NeusRenderer.sample_edges",
        "mim4d.rendering.sdf_field.SdfField.forward",
        "mim4d.rendering.volume_lookup.lookup",
        "mim4d.rendering.compositing.render_weights",
    ):
        monkeypatch.setattr(name, refuse)
    (loss,) = case.run(backward=True)
    assert loss.isfinite()
