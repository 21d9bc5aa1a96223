from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mim4d.exchange.official.rules import Naming
from mim4d.models.neck import FeaturePyramid
from tests.exchange.official_parts import our_names
from tests.parity import GoldenFile


def load(file: GoldenFile) -> tuple[FeaturePyramid, dict[str, str]]:
    config = file.config
    channels = config["in_channels"][config["start_level"] :]
    neck = FeaturePyramid(channels, config["out_channels"], config["num_outs"])
    names = our_names(
        file.part("weights"), "img_neck.", Naming(tuple(range(len(channels))), config["num_outs"])
    )
    if config.get("relu_before_extra_convs"):
        # The released one acts from the second added level on.
        for conv in neck.extras[1:]:
            conv.register_forward_pre_hook(lambda _, given: (given[0].relu(),))
    neck.load_state_dict({names[key]: value for key, value in file.part("weights").items()})
    return neck, names


def test_golden_fpn(golden: Callable[[str], GoldenFile]) -> None:
    file = golden("fpn")
    neck, names = load(file)
    read = file.numbers(r"in\.feat\.(\d+)")[file.config["start_level"] :]
    inputs = {k: file.tensors[f"in.feat.{k}"].requires_grad_() for k in read}
    levels = neck(list(inputs.values()))
    assert len(levels) == file.config["num_outs"]
    for k, level in enumerate(levels):
        file.check(f"out.level.{k}", level)
    loss = torch.stack([level.square().sum() for level in levels]).sum()
    file.check("out.loss", loss)
    loss.backward()
    for key, parameter in neck.named_parameters():
        official = next(o for o, ours in names.items() if ours == key)
        assert parameter.grad is not None
        file.check(f"out.grad.weights.{official}", parameter.grad)
    for k, feature in inputs.items():
        assert feature.grad is not None
        file.check(f"out.grad.in.feat.{k}", feature.grad)


def test_golden_single_level(golden: Callable[[str], GoldenFile]) -> None:
    file = golden("custom_fpn")
    (level,) = load(file)[0]([file.tensors["in.feat"]])
    file.check("out.level.0", level)


def features(seed: torch.Generator, m: int = 2) -> list[Tensor]:
    # 5 x 7 is not half of 9 x 13: upsampling goes to the finer map's size, not by a factor of two.
    sizes = [(4, 9, 13), (6, 5, 7), (8, 3, 4)]
    return [torch.randn(m, *size, generator=seed) for size in sizes]


def test_fewer_outputs_are_the_finest_of_the_full_pyramid(seed: torch.Generator) -> None:
    inputs = features(seed)
    full = FeaturePyramid([4, 6, 8], 5)
    finest = FeaturePyramid([4, 6, 8], 5, num_outputs=1)
    finest.load_state_dict(full.state_dict(), strict=False)
    (level,) = finest(inputs)
    assert torch.equal(level, full(inputs)[0])


@pytest.mark.parametrize("num_outputs", [None, 1, 2, 3, 5])
def test_every_parameter_gets_a_gradient(num_outputs: int | None, seed: torch.Generator) -> None:
    neck = FeaturePyramid([4, 6, 8], 5, num_outputs)
    levels = neck(features(seed))
    assert len(levels) == (num_outputs or 3)
    torch.stack([level.square().sum() for level in levels]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in neck.parameters())


def test_a_batch_of_two_is_two_batches_of_one(seed: torch.Generator) -> None:
    inputs = features(seed)
    neck = FeaturePyramid([4, 6, 8], 5, 4)
    ones = [neck([x[k : k + 1] for x in inputs]) for k in range(2)]
    for level, both in enumerate(neck(inputs)):
        alone = torch.cat([levels[level] for levels in ones])
        torch.testing.assert_close(both, alone, rtol=1e-5, atol=1e-5)


def test_nothing_in_or_out_is_refused() -> None:
    with pytest.raises(ValueError, match="neck"):
        FeaturePyramid([], 5)
    with pytest.raises(ValueError, match="0 outputs"):
        FeaturePyramid([4], 5, num_outputs=0)
