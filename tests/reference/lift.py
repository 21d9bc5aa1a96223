"""Slow twin of the lifting: one voxel, one camera, one corner at a time."""

import math

from torch import Tensor


def corners(position: float, count: int) -> list[tuple[float, int]]:
    """Weight and index of the cells beside a position given in cells (corner of cell 0 is 0)."""
    lower = math.floor(position - 0.5)
    fraction = position - 0.5 - lower
    pairs = [(1 - fraction, lower), (fraction, lower + 1)]
    return [(weight, index) for weight, index in pairs if 0 <= index < count]


def lift_loops(
    features: Tensor,
    depth_probs: Tensor,
    points_ego: Tensor,
    camera_from_ego: Tensor,
    intrinsics: Tensor,
    image_sizes: Tensor,
    padded_hw: tuple[int, int],
    bin_centres_m: Tensor,
) -> tuple[Tensor, Tensor]:
    """Voxel sums (m c v) and the number of cameras that see each voxel (m v)."""
    m, n, c, hf, wf = features.shape
    first_m, step_m = bin_centres_m[0], bin_centres_m[1] - bin_centres_m[0]
    volume = features.new_zeros(m, c, len(points_ego))
    count = features.new_zeros(m, len(points_ego))
    for frame in range(m):
        for camera in range(n):
            pose, matrix = camera_from_ego[frame, camera], intrinsics[frame, camera]
            rows, columns = image_sizes[frame, camera].tolist()
            for index, point in enumerate(points_ego):
                u_depth, v_depth, depth = (matrix @ (pose[:3, :3] @ point + pose[:3, 3])).tolist()
                bin_position = (depth - float(first_m)) / float(step_m) + 0.5
                if depth <= 0 or not 0 < bin_position < len(bin_centres_m):
                    continue
                u, v = u_depth / depth, v_depth / depth
                if not (0 <= u < columns and 0 <= v < rows):
                    continue
                count[frame, index] += 1
                feature, prob = features.new_zeros(c), features.new_zeros(())
                for weight_v, y in corners(v / padded_hw[0] * hf, hf):
                    for weight_u, x in corners(u / padded_hw[1] * wf, wf):
                        feature = feature + weight_v * weight_u * features[frame, camera, :, y, x]
                        for weight_d, k in corners(bin_position, len(bin_centres_m)):
                            weight = weight_v * weight_u * weight_d
                            prob = prob + weight * depth_probs[frame, camera, k, y, x]
                volume[frame, :, index] += feature * prob
    return volume, count
