"""Pictures as arrays: contact sheets and charts."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from d2a_core.schemes import scheme_of

INK, PAPER = (30, 30, 34), (255, 255, 255)
BLANK = {"constant_values": 255}  # of np.pad: paper
LINE_HEIGHT = 1.3  # of the font size; the font itself reaches over 1.17
TEXT_SHARES = (1 / 12, 1 / 9)  # font sizes of captions and title, as shares of a tile's side
SMALLEST_TEXT = 12  # px
OVERSAMPLING = 3  # of drawn landmarks: Pillow's lines are not smooth
LINE_SHARE, DOT_SHARE = 1 / 220, 1 / 110  # of the side of the picture
WIDEST_CAPTION = 2.2  # tiles, beyond which a caption on the left is wrapped


def resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale u1 [N, H, W, 3] so that the longer side is `size` px; the shape of the image stays.

    A pixel of a smaller image is the mean of the area it covers, that of a larger one is bicubic.
    """
    height, width = images.shape[1:3]
    scale = size / max(height, width)
    sides = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.stack([_scaled(image, *sides) for image in images])


def _scaled(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    smaller = width < image.shape[1]
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((width, height), kind))


def warped(image: NDArray, quad: NDArray, sides: tuple[int, int], *, fine: int) -> NDArray[np.float32]:
    """What lies in the corners `quad` [4, 2] of an image [H, W] or [H, W, 3], as a picture of `sides` (w, h).

    The corners come as they lie on the picture: top left, bottom left, bottom right, top right. It is sampled
    `fine` times finer, bicubic, and reduced (Lanczos), in float: Pillow cuts 8-bit samples off instead of
    rounding them, which darkens a picture by half a grey level.
    """
    finer, corners = (fine * sides[0], fine * sides[1]), np.asarray(quad).ravel().tolist()

    def placed(channel: NDArray) -> NDArray[np.float32]:
        picture = Image.fromarray(channel.astype(np.float32))
        picture = picture.transform(finer, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC)
        return np.array(picture.resize(sides, Image.Resampling.LANCZOS))

    if image.ndim == 2:
        return placed(image)
    return np.stack([placed(channel) for channel in np.moveaxis(image, 2, 0)], axis=2)


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
    return np.pad(_join(bands, margin, axis=0), ((margin,) * 2,) * 2 + ((0, 0),), **BLANK)


def _join(parts: Sequence[NDArray[np.uint8]], margin: int, *, axis: int) -> NDArray[np.uint8]:
    """Concatenate u1 [H, W, 3] along `axis` with `margin` px of paper in between."""
    gap = [(0, margin) if dimension == axis else (0, 0) for dimension in range(3)]
    return np.concatenate([*(np.pad(part, gap, **BLANK) for part in parts[:-1]), parts[-1]], axis)


def _fit(image: NDArray[np.uint8], tile: int, height: int) -> NDArray[np.uint8]:
    """Scale an image into a square `tile` and centre it on paper [height, tile, 3]."""
    picture = resize(image[None], tile)[0]
    spare = (height - picture.shape[0], tile - picture.shape[1])
    return np.pad(picture, [(part // 2, part - part // 2) for part in (*spare, 0)], **BLANK)


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
    panels = [_scaled(image, width, height) for image, width in zip(images, widths, strict=True)]
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


def draw_landmarks(points: NDArray, *, size: int) -> NDArray[np.uint8]:
    """Draw a face of points [P, 2], fractions of the picture, as lines and dots: u1 [size, size, 3]."""
    scheme, side = scheme_of(len(points)), size * OVERSAMPLING
    canvas = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(canvas)
    nose, mouth = scheme.parts["nose"], scheme.parts["mouth"]
    closed = (scheme.left_eye, scheme.right_eye, mouth[:12], mouth[12:])  # outer, then inner lips
    open_lines = (scheme.parts["contour"], nose[:4], nose[4:], scheme.left_brow, scheme.right_brow)
    spots = [tuple(spot) for spot in np.asarray(points, np.float64) * side]
    for line in (*open_lines, *((*line, line[0]) for line in closed)):
        draw.line([spots[index] for index in line], INK, round(side * LINE_SHARE), joint="curve")
    for x, y in spots:
        draw.circle((x, y), side * DOT_SHARE / 2, INK)
    return np.asarray(canvas.reduce(OVERSAMPLING))


def line_chart(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> NDArray[np.uint8]:
    """Draw lines (x, y) by name, with a legend when there are several: u1 [540, 960, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    axes.set_title(title, loc="left")
    for name, (x, y) in series.items():
        dots = "o" if len(np.atleast_1d(x)) <= 40 else ""
        axes.plot(x, y, label=name, marker=dots, markersize=4, linewidth=1.8)
    if all(np.issubdtype(np.asarray(x).dtype, np.integer) for x, _ in series.values()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(series) > 1:
        axes.legend(frameon=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # inches to the edge of the picture
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
