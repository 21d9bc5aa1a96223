"""Whether a shape may follow from what a tensor holds."""

import torch
from torch import Tensor


def can_count(values: Tensor) -> bool:
    """Whether what a tensor holds may decide on shapes: it costs no waiting for a device.

    Stand-ins without values (meta and fake tensors) cannot be counted, and a compiled step wants
    shapes that no mask changes.
    """
    is_here = values.device.type == "cpu" and type(values) is Tensor
    return is_here and not torch.compiler.is_compiling()
