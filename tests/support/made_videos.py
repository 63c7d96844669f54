"""Made-up videos: frames, and files of them."""

from fractions import Fraction

import numpy as np

from d2a_core.media import video_writing

NTSC = Fraction(30000, 1001)


def scene(count=12, height=64, width=96):
    """A soft gradient with a soft light that moves 5 px a frame to the right."""
    y, x = np.mgrid[:height, :width]
    back = np.stack([2 * x, 3 * y, x + y], axis=-1)
    lights = [np.exp(-((x - 20 - 5 * t) ** 2 + (y - 30) ** 2) / 100) for t in range(count)]
    frames = [back + light[..., None] * (200 - back) for light in lights]
    return np.array(frames, dtype=np.uint8).reshape(-1, height, width, 3)


def write(path, frames, rate=Fraction(25), metadata=None, **options):
    with video_writing.VideoWriter(path, rate=rate, metadata=metadata or {}, **options) as writer:
        for frame in frames:
            writer.write(frame)


def psnr(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))
