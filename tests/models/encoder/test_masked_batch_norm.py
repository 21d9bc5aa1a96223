import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from mim4d.models.encoder.batch_statistics import Statistics
from mim4d.models.encoder.masked_batch_norm import masked_batch_norm

CELLS = torch.tensor([[[True, False, True], [False, True, True]], [[False] * 3, [True] * 3]])


def norm_of(channels: int = 3, kind: type[nn.BatchNorm2d] = nn.BatchNorm2d) -> nn.BatchNorm2d:
    norm = kind(channels)
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 2, channels))
        norm.bias.copy_(torch.linspace(-1, 1, channels))
    return norm


def maps(seed: torch.Generator) -> tuple[Tensor, Tensor]:
    """Maps of 4 × 6 positions, two to a cell, far from zero mean and unit variance."""
    x = 3 * torch.randn(2, 3, 4, 6, generator=seed) + torch.tensor([5.0, -2, 0])[:, None, None]
    return x, CELLS.repeat_interleave(2, 1).repeat_interleave(2, 2)


def test_by_hand() -> None:
    x = torch.tensor([1.0, 3.0, 100.0, -100.0]).reshape(1, 1, 1, 4)
    visible = torch.tensor([[[True, True, False, False]]])
    norm = nn.BatchNorm2d(1, eps=0.0)
    y = masked_batch_norm(norm, x, visible)
    assert y.flatten().tolist() == [-1, 1, 0, 0]  # mean 2, standard deviation 1
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.item() == pytest.approx(0.1 * 2)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 2)  # unbiased variance 2
    y = masked_batch_norm(norm.eval(), x, visible)
    expected = (x - 0.2) / 1.1**0.5 * visible[:, None]
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNormAct2d])
def test_equals_a_norm_of_the_gathered_positions(
    kind: type[nn.BatchNorm2d], momentum: float | None, seed: torch.Generator
) -> None:
    x, positions = maps(seed)
    x.requires_grad_()
    ours, theirs = norm_of(kind=kind), norm_of(kind=kind)
    ours.momentum = theirs.momentum = momentum
    weights = torch.randn(x.shape, generator=seed)
    for _ in range(2):
        y = masked_batch_norm(ours, x, CELLS)
        gathered = theirs(x.permute(0, 2, 3, 1)[positions][:, :, None, None])[:, :, 0, 0]
        torch.testing.assert_close(y.permute(0, 2, 3, 1)[positions], gathered)
        assert not y.permute(0, 2, 3, 1)[~positions].any()
        assert list(ours.state_dict()) == list(theirs.state_dict())
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, msg=name)
        ours_grad = torch.autograd.grad((y * weights).sum(), [x, *ours.parameters()])
        loss = (gathered * weights.permute(0, 2, 3, 1)[positions]).sum()
        for a, b in zip(
            ours_grad, torch.autograd.grad(loss, [x, *theirs.parameters()]), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_without_a_mask_it_is_the_norm_itself(seed: torch.Generator) -> None:
    x, _ = maps(seed)
    ours, theirs = norm_of(), norm_of()
    assert torch.equal(masked_batch_norm(ours, x, None), theirs(x))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    assert torch.equal(masked_batch_norm(ours.eval(), x, None), theirs.eval()(x))


def test_hidden_values_count_for_nothing(seed: torch.Generator) -> None:
    x, positions = maps(seed)
    changed = torch.where(positions[:, None], x, torch.tensor(1e4))
    for norm in (norm_of(), norm_of().eval()):
        assert torch.equal(
            masked_batch_norm(norm, x, CELLS), masked_batch_norm(norm, changed, CELLS)
        )


def test_nothing_visible_gives_zeros_and_teaches_nothing(seed: torch.Generator) -> None:
    x, _ = maps(seed)
    x.requires_grad_()
    norm = norm_of()
    y = masked_batch_norm(norm, x, torch.zeros_like(CELLS))
    assert not y.any()
    (gradient,) = torch.autograd.grad(y.sum(), [x])
    assert not gradient.any()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert torch.equal(norm.running_mean, torch.zeros(3))
    assert torch.equal(norm.running_var, torch.ones(3))
    one = torch.zeros(2, 4, 6, dtype=torch.bool)
    one[0, 1, 2] = True
    assert masked_batch_norm(norm, x, one).isfinite().all()
    assert norm.running_var.isfinite().all()


@pytest.mark.parametrize("visible", [None, CELLS])
def test_untracked_gives_the_same_values_and_leaves_the_norm_alone(
    visible: Tensor | None, seed: torch.Generator
) -> None:
    x, _ = maps(seed)
    norm = norm_of()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    y = masked_batch_norm(norm, x, visible, Statistics(track=False))
    for name, value in norm.state_dict().items():
        assert torch.equal(before[name], value), name
    assert torch.equal(y, masked_batch_norm(norm, x, visible))
    assert norm.running_mean is not None
    assert not torch.equal(before["running_mean"], norm.running_mean)


def test_half_precision_keeps_statistics_in_single(seed: torch.Generator) -> None:
    x, _ = maps(seed)
    norm, exact = norm_of(), norm_of()
    y = masked_batch_norm(norm, x.bfloat16(), CELLS)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(
        y.float(), masked_batch_norm(exact, x.bfloat16().float(), CELLS), rtol=1e-2, atol=1e-2
    )
    assert norm.running_mean is not None
    assert exact.running_mean is not None
    assert torch.equal(norm.running_mean, exact.running_mean)


def begun(seed: torch.Generator, batches: int = 30) -> nn.BatchNorm2d:
    """A norm that has seen many batches of roughly one kind."""
    norm = norm_of()
    for _ in range(batches):
        masked_batch_norm(norm, maps(seed)[0], CELLS)
    return norm


@pytest.mark.parametrize("visible", [None, CELLS])
def test_renormalised_values_are_those_after_training(
    visible: Tensor | None, seed: torch.Generator
) -> None:
    """A scene twice as dark as usual stays dark; its own statistics would hide that."""
    norm, x = begun(seed), maps(seed)[0] / 2
    expected = masked_batch_norm(norm.eval(), x, visible)
    plain = masked_batch_norm(norm.train(), x, visible, Statistics(track=False))
    assert (plain - expected).abs().max() > 0.5
    y = masked_batch_norm(norm, x, visible, Statistics(renormalise_after=10))
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)


def test_renormalised_gradients_go_through_the_batch(seed: torch.Generator) -> None:
    """Those of the batch norm times σ / σ_running; a constant added to all changes nothing."""
    x = (maps(seed)[0] / 2).requires_grad_()
    norm, weights = begun(seed), torch.randn(x.shape, generator=seed)
    assert norm.running_var is not None
    rows = x.permute(0, 2, 3, 1)[CELLS.repeat_interleave(2, 1).repeat_interleave(2, 2)]
    scale = ((rows.var(0, correction=0) + norm.eps) / (norm.running_var + norm.eps)).sqrt()
    plain, ours = (
        torch.autograd.grad(
            (masked_batch_norm(norm, x, CELLS, statistics) * weights).sum(), [x, norm.bias]
        )
        for statistics in (Statistics(track=False), Statistics(False, renormalise_after=10))
    )
    torch.testing.assert_close(ours[0], plain[0] * scale.detach()[:, None, None])
    torch.testing.assert_close(ours[1], plain[1])
    assert ours[0].sum((0, 2, 3)).abs().max() < 1e-4


def test_renormalisation_begins_late_grows_and_has_limits(seed: torch.Generator) -> None:
    x, norm = maps(seed)[0], begun(seed, batches=10)
    plain = masked_batch_norm(norm, x, CELLS, Statistics(track=False))
    early = masked_batch_norm(norm, x, CELLS, Statistics(False, renormalise_after=10))
    assert torch.equal(early, plain)
    largest = [
        Statistics(renormalise_after=after).correction(norm, torch.full((3,), 1e6), torch.ones(3))
        for after in (9, 8, 5)
    ]
    shifts = [shift.max().item() for _, shift in largest]
    assert shifts == pytest.approx([5 * 1 / 1.8, 5.0, 5.0])
    nothing = Statistics(renormalise_after=5).correction(norm, torch.zeros(3), torch.zeros(3))
    assert nothing[0].tolist() == pytest.approx([1 / 3] * 3)
