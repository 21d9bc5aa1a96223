"""The optimiser's parameter groups and the learning rate by optimiser step."""

import math
from collections.abc import Collection, Iterable

import torch
from torch import nn
from torch.optim import AdamW

from mim4d.config import OptimConfig
from mim4d.training.muon import MuonAdamW, convolution_kernels


def lr_factor(step: int, config: OptimConfig) -> float:
    """Share of the peak learning rate at an optimiser step (counted from 0).

    Linear warm-up over `warmup_steps`, then a cosine down to `final_lr_factor` at the last step of
    the schedule, and no change after it.
    """
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    last = config.steps if config.schedule_steps is None else config.schedule_steps
    progress = (step - config.warmup_steps) / max(1, last - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.final_lr_factor + (1 - config.final_lr_factor) * cosine


def peak_lr(config: OptimConfig, clips_per_step: int) -> float:
    """Peak learning rate: `lr`, scaled linearly from `lr_clips` clips a step if that is given."""
    return config.lr if config.lr_clips is None else config.lr * clips_per_step / config.lr_clips


def build_optimizer(
    model: nn.Module,
    backbone: nn.Module,
    config: OptimConfig,
    clips_per_step: int = 1,
    transferred: Collection[nn.Parameter] = (),
    transferred_factor: float = 1.0,
) -> tuple[AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """The optimiser, in groups: backbone or not × transferred or new × kind of parameter.

    Matrices are decayed, vectors not (the published configuration decays both); with Muon,
    convolution kernels are a kind of their own. What is frozen is in no group.

    Args:
        model: What is trained.
        backbone: The part with the rate of a backbone.
        config: Rates, and how they change.
        clips_per_step: Over all processes.
        transferred: Parameters that came with weights of another run.
        transferred_factor: Their rate as a share of what it would be.
    """
    lr = peak_lr(config, clips_per_step)
    of_backbone = {id(parameter) for parameter in backbone.parameters()}
    came = {id(parameter) for parameter in transferred}
    kernels = convolution_kernels(model) if config.method == "muon" else set()
    groups: list[dict[str, object]] = []
    for is_backbone, factor in ((True, config.backbone_lr_factor), (False, 1.0)):
        for has_come, share in ((True, transferred_factor), (False, 1.0)):
            members = [
                parameter
                for parameter in model.parameters()
                if parameter.requires_grad
                and (id(parameter) in of_backbone) == is_backbone
                and (id(parameter) in came) == has_come
            ]
            kind = ("backbone" if is_backbone else "rest") + ("_transferred" if has_come else "")
            groups += _groups(members, kernels, kind, lr * factor * share, config.weight_decay)
    betas = (0.9, config.beta_2)
    optimizer = MuonAdamW(groups, betas) if kernels else AdamW(groups, betas=betas, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: lr_factor(step, config))
    return optimizer, schedule


def _groups(
    parameters: Iterable[nn.Parameter],
    kernels: set[int],
    kind: str,
    lr: float,
    weight_decay: float,
) -> list[dict[str, object]]:
    orthogonal: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in parameters:
        if id(parameter) in kernels:
            orthogonal.append(parameter)
        else:
            (decayed if parameter.ndim > 1 else plain).append(parameter)
    groups: list[dict[str, object]] = [
        {"params": decayed, "lr": lr, "weight_decay": weight_decay, "name": kind},
        {"params": plain, "lr": lr, "weight_decay": 0.0, "name": f"{kind}_vectors"},
        {
            "params": orthogonal,
            "lr": lr,
            "weight_decay": weight_decay,
            "name": f"{kind}_kernels",
            "orthogonal": True,
        },
    ]
    return [group for group in groups if group["params"]]
