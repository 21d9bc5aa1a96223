"""The loops of `warp`: trilinear look-ups of volumes, and their gradients.

A table has a row of channels for each voxel of each volume, x fastest; positions along x, y and z
count voxels, with the centre of the first at 0, for each volume. Voxels outside count as zeros.
"""

from typing import no_type_check

from mim4d.geometry.compiled import Kernel


@Kernel
@no_type_check
def read_voxels(first, end, shape, table, x, y, z, found):
    """Forward; parts are the positions."""
    size_z, size_y, size_x = shape
    positions, channels = x.shape[1], table.shape[1]
    real = table.dtype.type
    zero, one = real(0), real(1)
    for part in range(first, end):
        m, p = part // positions, part % positions
        into = found[part]
        for k in range(channels):
            into[k] = zero
        u, v, w = x[m, p], y[m, p], z[m, p]
        if not (u > -1 and u < size_x and v > -1 and v < size_y and w > -1 and w < size_z):
            # NaN is not lost: a position that is no number gives no number.
            lost = (u + v + w) * zero
            for k in range(channels):
                into[k] = lost if lost != lost else zero
            continue
        left, near = int(u) if u >= 0 else -1, int(v) if v >= 0 else -1
        low = int(w) if w >= 0 else -1
        for c in range(4):
            plane, line = low + c // 2, near + c % 2
            if plane < 0 or plane == size_z or line < 0 or line == size_y:
                continue
            up, along = w - real(low), v - real(near)
            share = (up if c // 2 else one - up) * (along if c % 2 else one - along)
            right = u - real(left)
            share_left, share_right = share * (one - right), share * right
            start = ((m * size_z + plane) * size_y + line) * size_x + left
            if left < 0:
                row = table[start + 1]
                for k in range(channels):
                    into[k] += share_right * row[k]
            elif left + 1 == size_x:
                row = table[start]
                for k in range(channels):
                    into[k] += share_left * row[k]
            else:
                row, other = table[start], table[start + 1]
                for k in range(channels):
                    into[k] += share_left * row[k] + share_right * other[k]


@Kernel
@no_type_check
def spread_to_voxels(first, end, shape, grad, x, y, z, of_table):
    """Backward into the volumes, which are the parts; `of_table` arrives filled with zeros."""
    size_z, size_y, size_x = shape
    positions, channels = x.shape[1], grad.shape[1]
    real = grad.dtype.type
    one = real(1)
    for m in range(first, end):
        for p in range(positions):
            g = grad[m * positions + p]
            u, v, w = x[m, p], y[m, p], z[m, p]
            if not (u > -1 and u < size_x and v > -1 and v < size_y and w > -1 and w < size_z):
                continue
            left, near = int(u) if u >= 0 else -1, int(v) if v >= 0 else -1
            low = int(w) if w >= 0 else -1
            right, along, up = u - real(left), v - real(near), w - real(low)
            for c in range(4):
                plane, line = low + c // 2, near + c % 2
                if plane < 0 or plane == size_z or line < 0 or line == size_y:
                    continue
                share = (up if c // 2 else one - up) * (along if c % 2 else one - along)
                start = ((m * size_z + plane) * size_y + line) * size_x + left
                if left >= 0:
                    into, factor = of_table[start], share * (one - right)
                    for k in range(channels):
                        into[k] += factor * g[k]
                if left + 1 < size_x:
                    into, factor = of_table[start + 1], share * right
                    for k in range(channels):
                        into[k] += factor * g[k]


@Kernel
@no_type_check
def slopes_at_positions(first, end, shape, grad, table, x, y, z, slopes):
    """Backward into the positions, which are the parts; `slopes` (x, y, z) is overwritten."""
    size_z, size_y, size_x = shape
    positions, channels = x.shape[1], table.shape[1]
    real = table.dtype.type
    zero, one = real(0), real(1)
    for part in range(first, end):
        m, p = part // positions, part % positions
        g = grad[part]
        u, v, w = x[m, p], y[m, p], z[m, p]
        slope_x, slope_y, slope_z = zero, zero, zero
        if u > -1 and u < size_x and v > -1 and v < size_y and w > -1 and w < size_z:
            left, near = int(u) if u >= 0 else -1, int(v) if v >= 0 else -1
            low = int(w) if w >= 0 else -1
            right, along, up = u - real(left), v - real(near), w - real(low)
            for c in range(4):
                plane, line = low + c // 2, near + c % 2
                if plane < 0 or plane == size_z or line < 0 or line == size_y:
                    continue
                by_z, sign_z = (up, one) if c // 2 else (one - up, -one)
                by_y, sign_y = (along, one) if c % 2 else (one - along, -one)
                start = ((m * size_z + plane) * size_y + line) * size_x + left
                here, there = zero, zero
                if left >= 0:
                    row = table[start]
                    for k in range(channels):
                        here += g[k] * row[k]
                if left + 1 < size_x:
                    row = table[start + 1]
                    for k in range(channels):
                        there += g[k] * row[k]
                between = (one - right) * here + right * there
                slope_x += by_z * by_y * (there - here)
                slope_y += by_z * sign_y * between
                slope_z += sign_z * by_y * between
        slopes[0, m, p], slopes[1, m, p], slopes[2, m, p] = slope_x, slope_y, slope_z
