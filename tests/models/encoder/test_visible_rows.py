"""Work on visible rows alone equals the plain way, which takes every position."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mim4d.models.encoder import convnext, convnext_block
from mim4d.models.encoder.batch_statistics import Statistics
from mim4d.models.encoder.convnext_block import add_block, add_block_on_rows, has_usual_layers
from mim4d.models.encoder.hide import hide
from mim4d.models.encoder.masked_batch_norm import normalise_masked, normalise_rows
from mim4d.models.encoder.masking import enlarge_mask
from mim4d.models.encoder.visible_rows import VisibleRows, _fixed_number_of_rows, visible_rows
from tests.models.encoder.encoders import FAMILIES, batch, perturbed
from tests.reference.encoder import weighted_sum

# Three images with four, one and no visible cell of two by three.
CELLS = torch.tensor(
    [
        [[True, False, True], [False, True, True]],
        [[False] * 3, [False, True, False]],
        [[False] * 3] * 2,
    ]
)


def block_of(name: str, seed: torch.Generator) -> Any:
    """A block of 8 channels in double precision, all of whose weights matter."""
    model: Any = timm.create_model(
        name, num_classes=0, depths=(1, 1, 1, 1), dims=(8,) * 4, drop_path_rate=0.5
    )
    block = model.stages[3].blocks[0].double()  # drop path grows to the last block's rate
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=seed))
    return block.train()


def rows_of(how: str) -> VisibleRows | None:
    if how == "counted":
        return visible_rows(CELLS, 8)
    return _fixed_number_of_rows(CELLS, 4, 5)


def values_and_gradients(y: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return [y.detach(), *torch.autograd.grad(weighted_sum([y]), inputs)]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("how", ["counted", "fixed number", "dense"])
@pytest.mark.parametrize("name", ["convnext_atto", "convnext_tiny"])
def test_a_block_on_rows_equals_the_plain_block(
    name: str, how: str, keep: bool, seed: torch.Generator
) -> None:
    block = block_of(name, seed)
    assert has_usual_layers(block)
    visible = None if how == "dense" else CELLS
    x = hide(torch.randn(3, 8, 8, 12, generator=seed, dtype=torch.float64), visible)
    inputs = [x.requires_grad_(), *block.parameters()]
    torch.manual_seed(4)  # of drop path: drops one of the three
    expected = values_and_gradients(add_block(block, x, visible), inputs)
    torch.manual_seed(4)
    rows = None if visible is None else rows_of(how)
    for ours, plain in zip(
        values_and_gradients(add_block_on_rows(block, x, rows, keep), inputs), expected, strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)


def test_rows_in_several_pieces_equal_rows_in_one(
    monkeypatch: pytest.MonkeyPatch, seed: torch.Generator
) -> None:
    block = block_of("convnext_tiny", seed).eval()
    x = hide(torch.randn(3, 8, 8, 12, generator=seed, dtype=torch.float64), CELLS)
    inputs = [x.requires_grad_(), *block.parameters()]
    rows = visible_rows(CELLS, 8)
    whole = values_and_gradients(add_block_on_rows(block, x, rows, True), inputs)
    monkeypatch.setattr("mim4d.models.encoder.residual_rows._CPU_ROWS", 7)
    for keep in (True, False):
        cut = values_and_gradients(add_block_on_rows(block, x, rows, keep), inputs)
        for a, b in zip(cut, whole, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_other_blocks_are_run_as_they_are(seed: torch.Generator) -> None:
    assert not has_usual_layers(block_of("convnext_zepto_rms", seed))


def test_the_encoder_runs_the_usual_blocks_on_rows(
    monkeypatch: pytest.MonkeyPatch, seed: torch.Generator
) -> None:
    taken: list[int] = []

    def counting(block: Any, x: Tensor, rows: VisibleRows | None, keep: bool) -> Tensor:
        assert rows is not None
        taken.append(len(rows.index))
        return convnext_block.add_block_on_rows(block, x, rows, keep)

    images, visible = batch(seed)
    encoder = perturbed("convnext_atto")
    monkeypatch.setattr(convnext, "add_block_on_rows", counting)
    encoder(images, visible)
    cells = int(visible.sum())
    assert taken == [cells * side**2 for side in (8, 4, 2, 2, 1)]


def test_rows_are_those_of_the_visible_positions() -> None:
    expected = enlarge_mask(CELLS, 4).flatten().nonzero()[:, 0]
    counted = visible_rows(CELLS, 8)
    assert counted is not None
    assert torch.equal(counted.index, expected)
    assert counted.weight is None
    fixed = _fixed_number_of_rows(CELLS, 4, 5)
    assert fixed.weight is not None
    assert len(fixed.index) == 3 * 5 * 16 == len(fixed.index.unique())
    assert torch.equal(fixed.index[fixed.weight[:, 0] == 1].sort().values, expected)


def test_without_values_a_known_number_decides() -> None:
    unseen = CELLS.to("meta")
    assert visible_rows(unseen, 8) is None
    rows = visible_rows(unseen, 8, max_cells=5)
    assert rows is not None
    assert rows.index.shape == (3 * 5 * 16,)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_encoders_run_without_values(name: str, seed: torch.Generator) -> None:
    images, visible = batch(seed)
    encoder = perturbed(name)
    shapes = [feature.shape for feature in encoder(images, visible)]
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        unseen = encoder(mode.from_tensor(images), mode.from_tensor(visible))
    assert [feature.shape for feature in unseen] == shapes
    meta = perturbed(name).to("meta")
    unseen = meta(images.to("meta"), visible.to("meta"))
    torch.stack([feature.sum() for feature in unseen]).sum().backward()
    assert [feature.shape for feature in unseen] == shapes
    assert all(parameter.grad is not None for parameter in meta.parameters())


@pytest.mark.parametrize("after", [None, 0, 2])
def test_a_norm_on_rows_equals_the_plain_norm(after: int | None, seed: torch.Generator) -> None:
    x = 3 * torch.randn(3, 5, 8, 12, generator=seed, dtype=torch.float64) + 2
    results = []
    for way in (normalise_rows, normalise_masked):
        norm = nn.BatchNorm2d(5).double()
        with torch.no_grad():
            norm.weight.copy_(torch.linspace(0.5, 2, 5))
        inputs = [x.requires_grad_(), norm.weight, norm.bias]
        for _ in range(2):  # the second time with running statistics that have begun to follow
            y = way(norm, x, CELLS, Statistics(renormalise_after=after))
        results.append([*values_and_gradients(y, inputs), *norm.state_dict().values()])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-9)
