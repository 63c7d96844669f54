"""Read and write PNG pictures."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from d2a_core.store import manifests, provenance
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    pass


def write_image(
    array: NDArray[np.uint8],
    path: str | Path,
    *,
    text: Mapping[str, object] | None = None,
    compress_level: int = 6,
) -> None:
    """Write an RGB picture [H, W, 3] as PNG; `text` goes into its text chunks.

    Compression level 1 is three times as fast as 6 and makes files a seventh larger.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    assert array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3, array.shape
    info = PngInfo()
    for name, value in (text or {}).items():
        info.add_itxt(name, value if isinstance(value, str) else json.dumps(value, default=provenance.plain))
    with atomic_path(path) as part:
        Image.fromarray(array).save(part, format="PNG", pnginfo=info, compress_level=compress_level)


def write_images(images: Iterable[NDArray[np.uint8]], folder: str | Path) -> None:
    """Write RGB pictures [H, W, 3] as they come, from `000000.png` on; the folder appears at the end."""
    with atomic_path(folder) as part:
        for number, image in enumerate(images):
            write_image(image, part / f"{number:06d}.png")


def keep_images(
    images: Iterable[tuple[str, NDArray[np.uint8]]], folder: str | Path
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Write named RGB pictures [H, W, 3] as they come, and pass them on with their path as PNG in `folder`.

    The folder appears when all have been taken.
    """
    with atomic_path(folder) as part:
        for name, image in images:
            write_image(image, part / f"{name}.png", compress_level=1)
            yield (Path(folder) / f"{name}.png").as_posix(), image


def image_reader(folders: Iterable[str | Path]) -> Callable[[str], Iterator[NDArray[np.uint8]]]:
    """A function from the name of one of the `folders` to its pictures `r*.png`, in order, unread."""
    known = {Path(folder).name: Path(folder) for folder in folders}

    def read(name: str) -> Iterator[NDArray[np.uint8]]:
        return (read_image(path) for path in sorted(known[name].glob("r*.png")))

    return read


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read any picture as RGB [H, W, 3], turned upright where a camera noted its orientation."""
    from PIL import Image

    from d2a_core.media import orientation

    with _picture(path), Image.open(path) as image:
        return np.array(orientation.upright(image, path)[0].convert("RGB"))


def image_text(path: str | Path) -> dict[str, str]:
    """Read the text chunks of a picture; {} where it has none."""
    from PIL import Image

    with _picture(path), Image.open(path) as image:
        image.load()
        return {name: str(text) for name, text in getattr(image, "text", {}).items()}


@contextmanager
def _picture(path: str | Path) -> Iterator[None]:
    """Turn errors of reading a picture into one sentence; it may be the user's."""
    from PIL import Image

    manifests.check(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # what it reads around
            yield
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} cannot be read as a picture ({' '.join(str(error).split())}); "
            "give an intact PNG, JPEG or WebP file"
        ) from error
