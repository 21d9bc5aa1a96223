"""The image encoder as an ONNX graph: RGB images in [0, 1] to a map for each stage.

Normalisation and output norms are in the graph, which takes any number of images and any size in
steps of its coarsest stride. Before anything is written, ONNX Runtime has to give the encoder's own
features, at another number and size of images than those that the graph was traced with.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mim4d.config.encoder import EncoderConfig
from mim4d.exchange.export.exported import Exported, input_metadata, size_arguments
from mim4d.models.encoder.masked_encoder import MaskedEncoder

_OPSET = 18
_TOLERANCE = 1e-4
"""Of the largest feature: both compute in single precision and sum in different orders."""

_LOAD = """import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{{weights}}", providers=["CPUExecutionProvider"])
images = np.random.rand(2, 3, 64, 96).astype(np.float32)  # RGB in [0, 1]
{names} = session.run(None, {{"images": images}})"""


def to_onnx(encoder: MaskedEncoder, config: EncoderConfig) -> Exported:
    """An ONNX file that ONNX Runtime computes as torch does.

    Args:
        encoder: In evaluation mode, on the CPU.
        config: What it was built from.

    Raises:
        ImportError: If the extra `onnx` is not installed.
        ValueError: If ONNX Runtime's features are not the encoder's.
    """
    names = [f"stage{stage}" for stage in encoder.out_stages]
    content = _graph(encoder, names)
    return Exported(
        dict(encoder.state_dict()),
        model=f"ONNX graph of {config.name}{size_arguments(config, 'depths', 'widths')}, "
        f"opset {_OPSET}: `images` (RGB in [0, 1]) to {', '.join(f'`{name}`' for name in names)}, "
        f"maps of strides {', '.join(map(str, encoder.strides))} behind their norms",
        load=_LOAD.format(names=", ".join(names) + ("," if len(names) == 1 else "")),
        metadata=input_metadata(encoder),
        left_out=("neck and depth head: `--to safetensors` has them",),
        difference=_difference(encoder, content),
        content=content,
    )


def _graph(encoder: MaskedEncoder, names: list[str]) -> bytes:
    """The file, for any number of images and any size that the encoder takes."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError("--to onnx needs ONNX: pip install 'mim4d[onnx]'") from error
    stride = encoder.strides[-1]
    rows, columns = (stride * torch.export.Dim(name, min=1) for name in ("rows", "columns"))
    shape = {0: torch.export.Dim("images", min=1), 2: rows, 3: columns}
    with _quietly():
        program: Any = torch.onnx.export(
            encoder,
            (torch.rand(2, 3, 3 * stride, 2 * stride),),
            input_names=["images"],
            output_names=names,
            dynamic_shapes=(shape,),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextmanager
def _quietly() -> Iterator[None]:
    """Leave out the exporter's remarks on parts of its own that will change one day."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)


@torch.no_grad()
def _difference(encoder: MaskedEncoder, content: bytes) -> float:
    """Largest difference between ONNX Runtime's maps and ours, as a share of the largest feature.

    Raises:
        ValueError: If they are not the same, so that no such file is ever written.
    """
    import onnxruntime

    stride = encoder.strides[-1]
    images: Float[Tensor, "3 3 h w"] = torch.rand(
        3, 3, 2 * stride, 4 * stride, generator=torch.Generator().manual_seed(0)
    )
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"images": images.numpy()})
    largest = 0.0
    for their, ours in zip(theirs, encoder(images), strict=True):
        difference = (torch.from_numpy(their) - ours).abs().max() / ours.abs().max()
        largest = max(largest, float(difference))
    if not largest <= _TOLERANCE:
        raise ValueError(
            f"ONNX Runtime's features differ from the run's by {largest:.1e} of the largest, "
            f"expected at most {_TOLERANCE:.0e}: this encoder cannot be exported with --to onnx"
        )
    return largest
