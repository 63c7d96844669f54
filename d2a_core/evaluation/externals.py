"""Results of a method as pictures by pair: our own, or those of any other tool in a folder.

A folder holds `{pair:05d}.png` (or .jpg, .jpeg, .webp) for each row of `evaluation/pairs.parquet`, in
any size, laid out as the source picture is. Pairs whose target is a frame of a clip may instead be given as
one video for a source and a clip, `{source}--{clip}.mp4`, as long as the clip.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d2a_core.evaluation.results import result_name
from d2a_core.media import images, video_reading
from d2a_core.store.kinds import PICTURES, VIDEOS

Picture = NDArray[np.uint8]


def finder(folder: str | Path, *, frames: int) -> Callable[..., Picture | None]:
    """A function (pair, passes) → picture u1 [H, W, 3], None where there is none; `frames` a clip's targets.

    Raises ValueError when the folder is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"evaluation.external names the folder {folder}, which does not exist; check its path"
        )

    @lru_cache(maxsize=1)
    def moments(path: Path) -> list[Picture]:
        return at_moments(path, frames)

    def find(pair: Mapping[str, object], passes: int) -> Picture | None:
        base = folder / result_name(int(pair["pair"]), passes)
        if (picture := _existing(base, PICTURES)) is not None:
            return images.read_image(picture)
        clip = _existing(folder / f"{pair['source']}--{pair['clip']}", VIDEOS) if pair["clip"] else None
        return moments(clip)[int(pair["frame"])] if clip is not None else None

    return find


def _existing(base: Path, suffixes: tuple[str, ...]) -> Path | None:
    paths = (base.with_name(base.name + suffix) for suffix in suffixes)
    return next((path for path in paths if path.is_file()), None)


def at_moments(path: str | Path, count: int) -> list[Picture]:
    """The frames u1 [H, W, 3] in the middles of `count` equal parts of a video."""
    total = video_reading.probe(path).frames
    wanted = [int((part + 0.5) / count * total) for part in range(count)]
    shown = {
        frame.index: frame.image
        for frame in islice(video_reading.read_frames(path), wanted[-1] + 1)
        if frame.index in wanted
    }
    last = max(shown)
    return [shown.get(index, shown[last]) for index in wanted]
