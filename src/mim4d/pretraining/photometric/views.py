"""Which images show what an image shows, from calibration and motion alone.

Enters: a batch of clips. Leaves: its images as `Views` (colours and a mask of usable pixels) and,
for each of them, the other images of its clip, whichever camera and frame, that see most of a few
points in front of it. On a moving car the best partner of a side camera is often its neighbour one
frame earlier.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from mim4d.data.clip import Clip
from mim4d.geometry.lattices import cell_centres
from mim4d.pretraining.photometric.patch_cost import Partners, Views, reproject
from mim4d.tensors.pixels import unit_colours

_LATTICE_ROWS_COLUMNS = (4, 6)
_DEPTHS_M = (4.0, 10.0, 25.0)
_LEAST_OVERLAP = 0.05


@torch.no_grad()
def clip_views(clip: Clip, downscale: int = 1) -> Views:
    """All images of a batch, averaged over `downscale` × `downscale` pixels.

    A pixel of the result is usable only if all it was made of is.
    """
    h, w = clip.images.shape[-2:]
    columns = torch.arange(w, device=clip.images.device) < clip.image_sizes[..., None, 1]
    rows = torch.arange(h, device=clip.images.device) < clip.image_sizes[..., None, 0]
    usable = rows.unsqueeze(-1) & columns.unsqueeze(-2) & clip.image_present[..., None, None]
    if clip.on_body is not None:
        usable = usable & ~clip.on_body.unsqueeze(1)
    colours = unit_colours(clip.images).flatten(0, 2)
    usable = usable.flatten(0, 2).unsqueeze(1).float()
    if downscale > 1:
        colours, usable = F.avg_pool2d(colours, downscale), F.avg_pool2d(usable, downscale).floor()
    scale = clip.intrinsics.new_tensor([1 / downscale, 1 / downscale, 1.0])
    return Views(
        torch.cat([colours, usable], dim=1),
        clip.intrinsics.flatten(0, 2) * scale.unsqueeze(-1),
        clip.ref_from_camera.flatten(0, 2),
    )


@torch.no_grad()
def choose_partners(views: Views, clip: Clip, count: int) -> Partners:
    """The `count` images of the same clip that see most of what each image sees.

    Overlap is the share of points at 4, 10 and 25 m behind a lattice of pixels that fall into the
    other picture; equal shares keep the order of the clip. Images without any are marked.
    """
    b, t, n = clip.images.shape[:3]
    each, others = b * t * n, t * n
    image = torch.arange(each, device=views.rgba.device)
    candidates = (image // others * others).unsqueeze(1) + image[:others]
    itself = candidates == image.unsqueeze(1)
    same_camera = (candidates % n == (image % n).unsqueeze(1)) & ~itself
    everything = Partners(image, candidates, ~itself, same_camera)
    overlap = _overlap(views, everything).masked_fill(itself, -1.0)
    # A stable sort, so that ties are the same on every device.
    order = overlap.sort(dim=1, descending=True, stable=True)
    chosen = order.indices[:, : min(count, others)]
    return Partners(
        image,
        candidates.gather(1, chosen),
        order.values[:, : chosen.shape[1]] > _LEAST_OVERLAP,
        same_camera.gather(1, chosen),
    )


def _overlap(views: Views, partners: Partners) -> Tensor:
    """Share of the lattice's points that each partner sees, `m k`."""
    h, w = views.rgba.shape[-2:]
    rows, columns = _LATTICE_ROWS_COLUMNS
    centres = cell_centres((rows, columns), views.rgba.device).flatten(0, 1)
    pixels = centres * centres.new_tensor([w / columns, h / rows])
    pixels = pixels.expand(len(views.rgba), -1, 2)
    depths = pixels.new_tensor(_DEPTHS_M).expand(*pixels.shape[:2], -1)
    u, v, in_front = reproject(views, partners, pixels.unsqueeze(2), depths)
    u, v = u.squeeze(-1), v.squeeze(-1)  # m k q d
    seen = in_front & (u >= 0) & (u < w) & (v >= 0) & (v < h)
    present = views.rgba[:, 3].flatten(1).amax(dim=1) > 0
    share = rearrange(seen.float(), "m k q d -> m k (q d)").mean(dim=-1)
    return share * present[partners.index] * present.unsqueeze(1)
