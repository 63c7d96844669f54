"""Contact sheets: pictures in a grid, side by side, with captions."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from d2a_core.media import resampling

INK, PAPER = (30, 30, 34), (255, 255, 255)
LINE_HEIGHT = 1.3  # of the font size; the font itself reaches over 1.17
TEXT_SHARES = (1 / 12, 1 / 9)  # font sizes of captions and title, as shares of a tile's side
SMALLEST_TEXT = 12  # px
OVERSAMPLING = 3  # of drawn landmarks: Pillow's lines are not smooth
LINE_SHARE, DOT_SHARE = 1 / 220, 1 / 110  # of the side of the picture
WIDEST_CAPTION = 2.2  # tiles, beyond which a caption on the left is wrapped


def grid(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    captions_left: Sequence[str] | None = None,
    captions_top: Sequence[str] | None = None,
    tile: int = 160,
    margin: int = 8,
    title: str | None = None,
) -> NDArray[np.uint8]:
    """Draw a contact sheet u1 [H, W, 3] of images u1 [H, W, 3], each fitted into a square `tile`.

    One caption for each row on its left and one for each column on top; a caption may have several
    lines; what is too wide is wrapped, never cut. `tile` and `margin` are in px.
    """
    columns = max((len(row) for row in rows), default=0)
    if not columns:
        raise ValueError("there is no picture to put on the sheet; give at least one")
    text, heading = (_font(max(SMALLEST_TEXT, round(tile * share))) for share in TEXT_SHARES)
    left = [_wrap(caption, text, WIDEST_CAPTION * tile) for caption in captions_left or []]
    top = [_wrap(caption, text, tile) for caption in captions_top or []]
    assert len(left) in (0, len(rows)) and len(top) in (0, columns), "one caption each"
    side = max((_width(lines, text) for lines in left), default=0) + margin
    bands = []
    if top:
        height = max(map(len, top)) * _line(text)
        corner = [_block([], text, width=side, height=height)] if left else []
        cells = [_block(lines, text, width=tile, height=height, centred=True) for lines in top]
        bands.append(_join(corner + cells, margin, axis=1))
    for index, row in enumerate(rows):
        lines = left[index] if left else []
        height = max(tile, len(lines) * _line(text))
        caption = [_block(lines, text, width=side, height=height)] if left else []
        cells = [_fit(image, tile, height) for image in row]
        blank = [_block([], text, width=tile, height=height)] * (columns - len(row))
        bands.append(_join(caption + cells + blank, margin, axis=1))
    if title:
        lines = _wrap(title, heading, bands[0].shape[1])
        bands.insert(0, _block(lines, heading, width=bands[0].shape[1]))
    return np.pad(_join(bands, margin, axis=0), ((margin,) * 2,) * 2 + ((0, 0),), constant_values=PAPER[0])


def _join(parts: Sequence[NDArray[np.uint8]], margin: int, *, axis: int) -> NDArray[np.uint8]:
    """Concatenate u1 [H, W, 3] along `axis` with `margin` px of paper in between."""
    gap = [(0, margin) if dimension == axis else (0, 0) for dimension in range(3)]
    return np.concatenate(
        [*(np.pad(part, gap, constant_values=PAPER[0]) for part in parts[:-1]), parts[-1]], axis
    )


def _fit(image: NDArray[np.uint8], tile: int, height: int) -> NDArray[np.uint8]:
    """Scale an image into a square `tile` and centre it on paper [height, tile, 3]."""
    picture = resampling.resize(image[None], tile)[0]
    spare = (height - picture.shape[0], tile - picture.shape[1])
    return np.pad(picture, [(part // 2, part - part // 2) for part in (*spare, 0)], constant_values=PAPER[0])


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib ships it: Pillow's own font lacks Δ, σ, − and →."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _line(font: ImageFont.FreeTypeFont) -> int:
    return round(font.size * LINE_HEIGHT)


def _width(lines: Sequence[str], font: ImageFont.FreeTypeFont) -> int:
    return max((int(font.getlength(line)) + 1 for line in lines), default=0)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines of `text` no wider than `width` px: broken between words, inside one if it must be."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            if line and font.getlength(f"{line} {word}") <= width:
                line = f"{line} {word}"
                continue
            lines += [line] if line else []
            while font.getlength(word) > width and len(word) > 1:
                fitting = (n for n in range(len(word) - 1, 1, -1) if font.getlength(word[:n]) <= width)
                cut = next(fitting, 1)
                lines.append(word[:cut])
                word = word[cut:]
            line = word
        lines.append(line)
    return lines


def _block(
    lines: Sequence[str],
    font: ImageFont.FreeTypeFont,
    *,
    width: int,
    height: int | None = None,
    centred: bool = False,
) -> NDArray[np.uint8]:
    """Write lines on paper [height, width, 3], in the middle of its height, left or centred."""
    height = len(lines) * _line(font) if height is None else height
    block = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(block)
    x, anchor = (width / 2, "mm") if centred else (0, "lm")
    first = (height - (len(lines) - 1) * _line(font)) / 2
    for index, line in enumerate(lines):
        draw.text((x, first + index * _line(font)), line, INK, font, anchor=anchor)
    return np.asarray(block)


def side_by_side(
    images: Sequence[NDArray[np.uint8]], *, height: int, captions: Sequence[str] | None = None
) -> NDArray[np.uint8]:
    """Put images u1 [H, W, 3] of any size in one row: u1 [H', W', 3], both sides even.

    Every image becomes `height` px high, one less if that is odd, and keeps its shape. `captions`,
    one for each, stand on a strip of paper below.
    """
    height -= height % 2
    widths = [2 * max(1, round(image.shape[1] * height / image.shape[0] / 2)) for image in images]
    panels = [resampling.scaled(image, width, height) for image, width in zip(images, widths, strict=True)]
    row = np.concatenate(panels, axis=1)
    if captions is None:
        return row
    font = _font(max(SMALLEST_TEXT, height // 24))
    texts = [_wrap(text, font, width) for text, width in zip(captions, widths, strict=True)]
    strip = 2 * round(max(map(len, texts)) * _line(font) / 2 + font.size / 4)
    blocks = [
        _block(lines, font, width=width, height=strip, centred=True)
        for lines, width in zip(texts, widths, strict=True)
    ]
    return np.concatenate([row, np.concatenate(blocks, axis=1)])


def draw_landmarks(points: NDArray, lines: Iterable[Sequence[int]], *, size: int) -> NDArray[np.uint8]:
    """Draw points [P, 2] as dots, joined by `lines` of their numbers: u1 [size, size, 3].

    Points are fractions of the side.
    """
    side = size * OVERSAMPLING
    canvas = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(canvas)
    spots = [tuple(spot) for spot in np.asarray(points, np.float64) * side]
    for line in lines:
        draw.line([spots[index] for index in line], INK, round(side * LINE_SHARE), joint="curve")
    for x, y in spots:
        draw.circle((x, y), side * DOT_SHARE / 2, INK)
    return np.asarray(canvas.reduce(OVERSAMPLING))
