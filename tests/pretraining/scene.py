"""An analytic scene: a textured wall and, in front of it, a textured square; exact in every pixel.

The cameras look along +z of `ref` (x right, y down); all have the same intrinsics.
"""

import torch
from torch import Tensor

from mim4d.geometry.camera import unproject
from mim4d.geometry.lattices import cell_centres
from mim4d.pretraining.photometric.patch_cost import Partners, Views

HEIGHT, WIDTH, FOCAL = 48, 64, 60.0
WALL_M, SQUARE_M, HALF_SIDE_M = 10.0, 5.0, 0.8
INTRINSICS = torch.tensor(
    [[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]], dtype=torch.float32
)


def _texture(x: Tensor, y: Tensor, seed: int) -> Tensor:
    """Smooth colours with periods of one to three metres that repeat nowhere in view."""
    waves = torch.rand((6, 3, 3), generator=torch.Generator().manual_seed(seed))
    phase = 2 + 4 * waves[..., 0, None, None] * x + (8 * waves[..., 1, None, None] - 4) * y
    colours: Tensor = (phase + 6.3 * waves[..., 2, None, None]).sin().mean(dim=0)
    return 0.5 + 0.9 * colours


def shoot(position: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """What a camera at `position` in `ref` sees: colours `3 h w` and depth `h w`, metres."""
    origin = torch.tensor(position)
    pixels = cell_centres((HEIGHT, WIDTH)).flatten(0, 1)
    hits = []
    for plane_m in (WALL_M, SQUARE_M):
        depth = torch.full(pixels.shape[:1], plane_m) - origin[2]
        points = unproject(INTRINSICS, pixels, depth) + origin
        hits.append((points.T.unflatten(1, (HEIGHT, WIDTH)), depth.view(HEIGHT, WIDTH)))
    (wall, wall_depth), (square, square_depth) = hits
    on_square = (square[0].abs() < HALF_SIDE_M) & (square[1].abs() < HALF_SIDE_M)
    colours = torch.where(
        on_square, _texture(square[0], square[1], 1), _texture(wall[0], wall[1], 2)
    )
    return colours.clamp(0, 1), torch.where(on_square, square_depth, wall_depth)


def look(*positions: tuple[float, float, float]) -> tuple[Views, Partners, Tensor]:
    """Views from these places, the first compared with all others, and the first one's depth."""
    shots = [shoot(position) for position in positions]
    rgba = torch.stack([torch.cat([c, torch.ones_like(c[:1])]) for c, _ in shots])
    poses = torch.eye(4).repeat(len(positions), 1, 1)
    poses[:, :3, 3] = torch.tensor(positions)
    others = torch.arange(1, len(positions)).unsqueeze(0)
    yes = torch.ones_like(others, dtype=torch.bool)
    partners = Partners(torch.zeros(1, dtype=torch.long), others, yes, yes)
    views = Views(rgba, INTRINSICS.expand(len(positions), 3, 3), poses)
    return views, partners, shots[0][1]
