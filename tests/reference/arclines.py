"""Arc paths of the map expansion, followed step by step: a slow twin of any decoder."""

import math

SIGNS = {"L": 1.0, "S": 0.0, "R": -1.0}


def follow(path, step_m=0.01):
    """Poses along one path of three parts, by small straight steps."""
    x, y, yaw = path["start_pose"]
    poses = [(x, y, yaw)]
    for letter, length in zip(path["shape"], path["segment_length"], strict=True):
        count = max(math.ceil(length / step_m), 1)
        for _ in range(count):
            turn = SIGNS[letter] * length / count / path["radius"]
            x += length / count * math.cos(yaw + turn / 2)
            y += length / count * math.sin(yaw + turn / 2)
            yaw += turn
            poses.append((x, y, yaw))
    return poses
