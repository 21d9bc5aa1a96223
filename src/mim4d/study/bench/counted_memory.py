"""`mim4d bench memory`: what a training step holds, counted on tensors that have no values.

Shapes alone say how much memory a step wants, so a laptop can count what a graphics card would
hold. The step is drawn for real on a made-up clip and then runs on stand-ins: torch's fake tensors
take a CPU's way through the code; tensors on torch's `meta` device take an accelerator's. What the
accelerator's way asks for is known without looking at a value: were it not, counting would fail.

Not counted: what an allocator keeps beside the tensors, scratch memory inside kernels, the process
itself. Stand-ins do not say which camera sees which voxel, so that a CPU's lifting is counted with
all pairs: more than it takes.
"""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import record_function
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mim4d.build.pretraining import build_model
from mim4d.build.trunk import without_weights_file
from mim4d.config import PretrainConfig
from mim4d.data.clip import Clip, collate
from mim4d.pretraining.draw import draw_step
from mim4d.study.bench.operations import operation_counter
from mim4d.study.bench.parts.scene import made_up_clip
from mim4d.tensors.records import map_tensors
from mim4d.training.modules import PretrainingModule
from mim4d.training.sampling import step_generators

Place = Literal["cpu", "accelerator"]

MARKS_GB: dict[Place, float] = {"cpu": 10 * 2**30 / 1e9, "accelerator": 24.0}
"""What a step should fit into: 10 GiB of a laptop, a graphics card of 24 GB."""
_MOMENTS = 2
"""Numbers that the optimiser keeps of each trained weight."""


@dataclass(frozen=True)
class StepCount:
    """Memory and operations of one training step.

    Attributes:
        place: Whose way through the code was counted.
        standing: Weights, buffers, the optimiser's moments and the batch.
        stages: The most that tensors take in each stage on top of it, gradients included.
        parameters: Number of weights, and of those that are trained.
        operations: Of matrix products and convolutions, as torch counts them.
        what: What was counted.
    """

    place: Place
    standing: int
    stages: dict[str, int]
    parameters: tuple[int, int]
    operations: int
    what: str

    @property
    def peak(self) -> int:
        """The most of all stages, with what stands."""
        return self.standing + max(self.stages.values())

    def __str__(self) -> str:
        lines = [
            self.what,
            f"{'always':<10} {self.standing / 1e9:>8.3f} GB  weights, optimiser, batch",
        ]
        lines += [f"{name:<10} {held / 1e9:>+8.3f} GB" for name, held in self.stages.items()]
        mark = MARKS_GB[self.place]
        share = self.peak / 1e9 / mark
        lines.append(f"{'peak':<10} {self.peak / 1e9:>8.3f} GB, {share:.0%} of {mark:g} GB")
        return "\n".join(lines)


def count_step(config: PretrainConfig, place: Place, cameras: int = 6) -> StepCount:
    """Count one step of `config.optim.batch_size` made-up clips.

    Args:
        config: The preset. On an accelerator half precision is counted as full: an upper bound.
        place: Whose way through the code.
        cameras: Of the made-up clip.
    """
    module = PretrainingModule(build_model(without_weights_file(config)), config)
    size = config.optim.batch_size
    image_hw = (config.clip.image_height, config.clip.image_width)
    frames, key = config.clip.frames, config.clip.key % config.clip.frames
    made_up = [made_up_clip(frames, image_hw, cameras=cameras, seed=i) for i in range(size)]
    clip: Clip = replace(collate(made_up), key=key)
    generators = step_generators(config.seed, 0, range(size))
    choices, targets = draw_step(module.model, clip, generators)
    parameters = list(module.parameters())
    trained = [p for p in parameters if p.requires_grad]
    standing = clip.num_bytes + _bytes([*parameters, *module.buffers()])
    with _stand_ins(place) as stand_in:
        _replace_weights(module, stand_in)
        clip = map_tensors(clip, stand_in)
        choices = map_tensors(choices, stand_in)
        targets = map_tensors(targets, stand_in)
        with operation_counter() as operations, _LiveBytes() as live:
            reconstruction = module.model(clip, choices)
            with record_function("losses"):
                loss = module.objective(reconstruction, targets, clip)["loss"]
            del reconstruction
            with record_function("backward"):
                loss.backward()
    return StepCount(
        place,
        standing + _MOMENTS * _bytes(trained),
        live.stages,
        (_numbers(parameters), _numbers(trained)),
        operations.get_total_flops(),
        f"{config.preset}: {size} clip(s) of {config.clip.frames} frames × {cameras} cameras at "
        f"{image_hw[0]}×{image_hw[1]}, counted as on {_name(place)}",
    )


def compare_options(config: PretrainConfig, place: Place) -> str:
    """The peak with each option that trades time for memory, and without, in a table."""
    encoder, render = config.encoder, config.render
    variants = {
        "as it is": config,
        "--encoder.checkpoint-blocks --encoder.checkpoint-stages 4": replace(
            config, encoder=replace(encoder, checkpoint_blocks=True, checkpoint_stages=4)
        ),
        "--encoder.no-checkpoint-blocks": replace(
            config, encoder=replace(encoder, checkpoint_blocks=False)
        ),
        "--render.chunk-rays 512": replace(config, render=replace(render, chunk_rays=512)),
        "--render.chunk-rays None": replace(config, render=replace(render, chunk_rays=None)),
    }
    lines = [f"{'option':<32} {'peak':>10}  largest in"]
    for name, variant in variants.items():
        if variant != config or variant is config:
            counted = count_step(variant, place)
            stage = max(counted.stages, key=lambda stage: counted.stages[stage])
            lines.append(f"{name:<32} {counted.peak / 1e9:>7.3f} GB  {stage}")
    return "\n".join(lines)


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of what is made while it is entered, for as long as it lives.

    Attributes:
        stages: The most in each span of `record_function` so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stages: dict[str, int] = {}
        self._spans: list[str] = []
        self._known: set[int] = set()
        self._held = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name()
        result = func(*args, **(kwargs or {}))
        if name.startswith("profiler::_record_function_enter"):
            self._spans.append(args[0])
        elif name.startswith("profiler::_record_function_exit"):
            self._spans.pop()
        # What was there before was made outside; a view or an argument is known already.
        given = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if _counts(t)}
        for leaf in tree_leaves(result):
            if _counts(leaf) and id(leaf.untyped_storage()) not in given:
                self._add(leaf.untyped_storage())
        for span in self._spans:
            self.stages[span] = max(self.stages.get(span, 0), self._held)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        if key in self._known:
            return

        def gone() -> None:
            self._held -= size
            self._known.discard(key)

        self._known.add(key)
        self._held += size
        weakref.finalize(storage, gone)


def _counts(value: object) -> bool:
    """Whether it is a stand-in: small constants on the CPU are none."""
    return isinstance(value, Tensor) and (type(value) is not Tensor or value.is_meta)


@contextmanager
def _stand_ins(place: Place) -> Iterator[Callable[[Tensor], Tensor]]:
    """Where tensors have shapes and no values; gives what turns a real one into such a one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the counting belongs to this thread
    try:
        with ExitStack() as stack:
            if place == "cpu":
                mode = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
                yield mode.from_tensor
            else:
                # Torch knows no autocast for stand-ins.
                none = torch.autocast("cpu", enabled=False)
                stack.enter_context(patch("torch.autocast", lambda *_, **__: none))
                stack.enter_context(patch("torch.is_autocast_enabled", lambda *_: False))
                yield lambda tensor: tensor.to("meta")
    finally:
        torch.set_num_threads(threads)


def _replace_weights(module: nn.Module, stand_in: Callable[[Tensor], Tensor]) -> None:
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(stand_in(weight.detach()), weight.requires_grad))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, stand_in(buffer))


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _numbers(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _name(place: Place) -> str:
    return "a CPU" if place == "cpu" else "an accelerator"
