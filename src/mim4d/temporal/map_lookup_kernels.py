"""The loops of `map_lookup`: bilinear look-ups of maps, weighted and summed, and their gradients.

Tables have a row of channels for each (clip, source, y, x, head) of the maps and for each (clip,
query, head) of what is found; `asked` one of places and weights for each (clip, query, head,
source). A place without a cell of the map within reach adds nothing.
"""

import math
from typing import no_type_check

import numpy as np

from mim4d.geometry.compiled import Kernel


@Kernel
@no_type_check
def sum_places(first, end, sizes, table, asked, shares, found):
    """Forward; parts are the queries."""
    b, s, y, x, h = sizes
    points, c = asked.shape[1] // 3, table.shape[1]
    queries = asked.shape[0] // (b * h * s)
    weights = np.empty(points, table.dtype)
    real = table.dtype.type  # a whole number times a float32 would be a float64
    zero, one = real(0), real(1)
    width, height = real(x), real(y)
    for clip in range(b):
        for q in range(first, end):
            column, line = real(q % x), real(q // x)
            for head in range(h):
                into = found[(clip * queries + q) * h + head]
                for k in range(c):
                    into[k] = 0
                for source in range(s):
                    if shares[clip, source] == 0:
                        continue
                    start = (clip * s + source) * y * x * h + head
                    wish = asked[((clip * queries + q) * h + head) * s + source]
                    highest, total = wish[2 * points], zero
                    for point in range(1, points):
                        highest = max(highest, wish[2 * points + point])
                    for point in range(points):
                        weights[point] = math.exp(wish[2 * points + point] - highest)
                        total += weights[point]
                    factor = shares[clip, source] / total
                    for point in range(points):
                        u, v = wish[point] + column, wish[points + point] + line
                        if not (u > -one and u < width and v > -one and v < height):
                            continue
                        left, top = int(u) if u >= 0 else -1, int(v) if v >= 0 else -1
                        right, bottom = left + 1, top + 1
                        right_share = u - real(left)
                        left_share = one - right_share
                        lower = (v - real(top)) * weights[point] * factor
                        upper = weights[point] * factor - lower
                        # Cells outside the map have weight 0 and stand for some cell within.
                        if left < 0:
                            left, left_share = 0, zero
                        if top < 0:
                            top, upper = 0, zero
                        if right == x:
                            right, right_share = left, zero
                        if bottom == y:
                            bottom, lower = top, zero
                        w00, w01 = upper * left_share, upper * right_share
                        w10, w11 = lower * left_share, lower * right_share
                        row00 = table[start + (top * x + left) * h]
                        row01 = table[start + (top * x + right) * h]
                        row10 = table[start + (bottom * x + left) * h]
                        row11 = table[start + (bottom * x + right) * h]
                        for k in range(c):
                            into[k] += (w00 * row00[k] + w01 * row01[k]) + (
                                w10 * row10[k] + w11 * row11[k]
                            )


@Kernel
@no_type_check
def spread_to_places(first, end, sizes, grad, table, asked, shares, of_table, of_asked):
    """Backward; parts are (clip, head, source), each of which has a map of its own.

    `of_table` and `of_asked` arrive filled with zeros.
    """
    b, s, y, x, h = sizes
    points, c = asked.shape[1] // 3, table.shape[1]
    queries = asked.shape[0] // (b * h * s)
    weights, slopes = np.empty(points, table.dtype), np.empty(points, table.dtype)
    real = table.dtype.type  # a whole number times a float32 would be a float64
    zero, one = real(0), real(1)
    width, height = real(x), real(y)
    for part in range(first, end):
        source, head, clip = part % s, part // s % h, part // s // h
        share = shares[clip, source]
        if share == 0:
            continue
        start = (clip * s + source) * y * x * h + head
        for q in range(queries):
            column, line = real(q % x), real(q // x)
            g = grad[(clip * queries + q) * h + head]
            wish = asked[((clip * queries + q) * h + head) * s + source]
            of_wish = of_asked[((clip * queries + q) * h + head) * s + source]
            highest, total = wish[2 * points], zero
            for point in range(1, points):
                highest = max(highest, wish[2 * points + point])
            for point in range(points):
                weights[point] = math.exp(wish[2 * points + point] - highest)
                total += weights[point]
            mean_slope = zero
            for point in range(points):
                weights[point] *= share / total
                slopes[point] = zero
                u, v = wish[point] + column, wish[points + point] + line
                if not (u > -one and u < width and v > -one and v < height):
                    continue
                weight = weights[point]
                left, top = int(u) if u >= 0 else -1, int(v) if v >= 0 else -1
                right, bottom = left + 1, top + 1
                right_share, lower = u - real(left), v - real(top)
                left_share, upper = one - right_share, one - lower
                # Cells outside the map hold zeros: their products count as 0.
                has_left, has_right, has_top, has_bottom = 1, 1, 1, 1
                if left < 0:
                    left, has_left = 0, 0
                if top < 0:
                    top, has_top = 0, 0
                if right == x:
                    right, has_right = left, 0
                if bottom == y:
                    bottom, has_bottom = top, 0
                at00 = start + (top * x + left) * h
                at01 = start + (top * x + right) * h
                at10 = start + (bottom * x + left) * h
                at11 = start + (bottom * x + right) * h
                row00, row01, row10, row11 = table[at00], table[at01], table[at10], table[at11]
                dot00, dot01, dot10, dot11 = zero, zero, zero, zero
                for k in range(c):
                    dot00 += g[k] * row00[k]
                    dot01 += g[k] * row01[k]
                    dot10 += g[k] * row10[k]
                    dot11 += g[k] * row11[k]
                if not (has_left and has_right and has_top and has_bottom):
                    dot00 = dot00 if has_top and has_left else zero
                    dot01 = dot01 if has_top and has_right else zero
                    dot10 = dot10 if has_bottom and has_left else zero
                    dot11 = dot11 if has_bottom and has_right else zero
                if has_top and has_left:
                    into, factor = of_table[at00], weight * upper * left_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_top and has_right:
                    into, factor = of_table[at01], weight * upper * right_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_bottom and has_left:
                    into, factor = of_table[at10], weight * lower * left_share
                    for k in range(c):
                        into[k] += factor * g[k]
                if has_bottom and has_right:
                    into, factor = of_table[at11], weight * lower * right_share
                    for k in range(c):
                        into[k] += factor * g[k]
                above = left_share * dot00 + right_share * dot01
                below = left_share * dot10 + right_share * dot11
                of_wish[point] = weight * (upper * (dot01 - dot00) + lower * (dot11 - dot10))
                of_wish[points + point] = weight * (below - above)
                slopes[point] = upper * above + lower * below
                mean_slope += slopes[point] * weight
            # The softmax: weights of a source add up to its share.
            mean_slope /= share
            for point in range(points):
                of_wish[2 * points + point] = weights[point] * (slopes[point] - mean_slope)
