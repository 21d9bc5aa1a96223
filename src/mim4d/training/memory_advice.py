"""Which options of a task would save how much memory.

What a step keeps for its backward pass is counted in a forward pass of one clip on the CPU, for the
configuration as it is and with one option changed at a time. It takes seconds each, so it is asked
for only where a first step did not fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from mim4d.build.tasks import build_task
from mim4d.build.trunk import without_weights_file
from mim4d.config import TaskConfig
from mim4d.data.clip import Clip
from mim4d.training.modules import TaskModule

_LEAST_SHARE = 0.02
"""What saves less than that is not worth a line."""


@dataclass(frozen=True)
class Saving:
    """One change of options.

    Attributes:
        flags: How it is written.
        kept_bytes: What a step then keeps for its backward pass.
    """

    flags: str
    kept_bytes: int


def kept_bytes(config: TaskConfig, clip: Clip) -> int:
    """What a forward pass of a batch keeps for its backward pass, weights left out.

    Args:
        config: Of the task.
        clip: One clip (b = 1) on the CPU; a batch keeps as many times as much.
    """
    found: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        if not (tensor.is_leaf and tensor.requires_grad):
            storage = tensor.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    task, model = build_task(without_weights_file(config))
    module = TaskModule(model, task, config).train()
    # What is counted stays alive until the losses go, so that no two share an address.
    with saved_tensors_hooks(count, lambda tensor: tensor):
        losses = module.step_losses(clip, step=0)
    del losses
    return config.optim.batch_size * sum(found.values())


def savings(config: TaskConfig, clip: Clip) -> tuple[int, list[Saving]]:
    """What is kept now, and what would be with other options; the largest saving first.

    Weights are random; where frames are left out, so are those of the clip.
    """
    now = kept_bytes(config, clip)
    tried = [Saving(flags, kept_bytes(other, clip)) for flags, other in _others(config)]
    worth = [saving for saving in tried if saving.kept_bytes < (1 - _LEAST_SHARE) * now]
    return now, sorted(worth, key=lambda saving: saving.kept_bytes)


def describe_savings(config: TaskConfig, clip: Clip) -> str:
    """The same in words."""
    now, found = savings(config, clip)
    kept = f"a step keeps {now / 2**30:.2f} GiB for its backward pass"
    lines = [f"{s.flags} saves {(now - s.kept_bytes) / 2**30:.2f} GiB" for s in found]
    return f"{kept}; {'; '.join(lines) or 'no single option saves any'}"


def _others(config: TaskConfig) -> Iterator[tuple[str, TaskConfig]]:
    optim, clip = config.optim, config.clip
    if optim.batch_size > 1:
        more = optim.accumulate * optim.batch_size
        smaller = replace(optim, batch_size=1, accumulate=more)
        yield f"--optim.batch-size 1 --optim.accumulate {more}", replace(config, optim=smaller)
    if config.precision == "fp32":
        yield "--precision bf16", replace(config, precision="bf16")
    if not config.encoder.checkpoint_blocks:
        encoder = replace(config.encoder, checkpoint_blocks=True)
        yield "--encoder.checkpoint-blocks", replace(config, encoder=encoder)
    elif config.encoder.checkpoint_stages < 4:
        encoder = replace(config.encoder, checkpoint_stages=4)
        yield "--encoder.checkpoint-stages 4", replace(config, encoder=encoder)
    if config.frozen == "nothing":
        yield "--frozen image_encoder", replace(config, frozen="image_encoder")
    if config.frozen != "trunk":
        yield "--frozen trunk", replace(config, frozen="trunk")
    if clip.frames > 1:
        one = replace(config, clip=replace(clip, frames=1, key=0), join="key")
        yield "--clip.frames 1 --clip.key 0 --join key", one
