"""Find results as pictures by pair: our own, or those of any other tool in a folder.

A folder holds `{pair:05d}.png` (or .jpg, .jpeg, .webp) for each row of `evaluation/pairs.parquet`, in any
size, laid out as the source picture is; ours has a folder of them for each number of closed-loop passes.
Pairs whose target is a frame of a clip may instead be given as one video for a source and a clip,
`{source}--{clip}.mp4`, as long as the clip.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path

from d2a_core.evaluation.protocols import Pair
from d2a_core.evaluation.results import Find, Picture, result_name
from d2a_core.media import images, video_reading
from d2a_core.store.kinds import PICTURES, VIDEOS


def finder(folder: str | Path, *, frames: int) -> Find:
    """Find the results in a `folder`; `frames` of each clip are targets.

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

    def find(pair: Pair, passes: int) -> Picture | None:
        picture = _existing(folder / result_name(pair.number, passes), PICTURES)
        if picture is not None:
            return images.read_image(picture)
        clip = _existing(folder / f"{pair.source}--{pair.clip}", VIDEOS) if pair.clip else None
        return moments(clip)[pair.frame] if clip is not None else None

    return find


def finders(names: Iterable[str], folders: Iterable[str | Path], *, frames: int) -> dict[str, Find]:
    """A `finder` of the folder of each method, by its name."""
    return {name: finder(folder, frames=frames) for name, folder in zip(names, folders, strict=True)}


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
