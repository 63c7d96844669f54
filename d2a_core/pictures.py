"""Pictures as arrays: conversions, contact sheets, charts."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

INK, PAPER = (30, 30, 34), (255, 255, 255)
LINE_HEIGHT = 1.35  # of the font size


def resize(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """u1 [N, H, W, 3] → [N, size', size'', 3] with the longer side `size`, averaged over area when smaller."""
    height, width = images.shape[1:3]
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(image).resize(shape, kind)) for image in images])


def grid(rows: Sequence[Sequence[NDArray[np.uint8]]], *, captions_left: Sequence[str] | None = None,
         captions_top: Sequence[str] | None = None, title: str | None = None, tile: int = 192,
         gap: int = 6) -> NDArray[np.uint8]:
    """Captioned contact sheet: `rows` of images u1 [H, W, 3], each fitted into a square `tile`."""
    font, small = ImageFont.load_default(max(13, tile // 12)), ImageFont.load_default(max(12, tile // 14))
    left = 2 * gap + max((_width(text, small) for text in captions_left or []), default=0)
    top = gap + (_line(font) + gap if title else 0) + (_line(small) + gap if captions_top else 0)
    columns = max(len(row) for row in rows)
    size = (left + columns * (tile + gap), top + len(rows) * (tile + gap))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((2 * gap, gap), title, INK, font)
    for index, text in enumerate(captions_top or []):
        draw.text((left + index * (tile + gap) + tile / 2, top - gap), text, INK, small, anchor="ms")
    for row_index, row in enumerate(rows):
        y = top + row_index * (tile + gap)
        if captions_left:
            draw.multiline_text((gap, y + tile / 2), captions_left[row_index], INK, small, anchor="lm")
        for column, image in enumerate(row):
            sheet.paste(_fit(image, tile), (left + column * (tile + gap), y))
    return np.asarray(sheet)


def _fit(image: NDArray[np.uint8], tile: int) -> Image.Image:
    scaled = Image.fromarray(resize(image[None], tile)[0])
    square = Image.new("RGB", (tile, tile), PAPER)
    square.paste(scaled, ((tile - scaled.width) // 2, (tile - scaled.height) // 2))
    return square


def _width(text: str, font: ImageFont.FreeTypeFont) -> int:
    return int(max(font.getlength(line) for line in text.split("\n"))) + 1


def _line(font: ImageFont.FreeTypeFont) -> int:
    return int(font.size * LINE_HEIGHT)


def side_by_side(images: Sequence[NDArray[np.uint8]], *, height: int) -> NDArray[np.uint8]:
    """Images u1 [H, W, 3] of any size in one row, all `height` px high: u1 [height, W', 3], W' even."""
    scaled = []
    for image in images:
        width = max(2, round(image.shape[1] * height / image.shape[0]))
        kind = Image.Resampling.BOX if height < image.shape[0] else Image.Resampling.BICUBIC
        scaled.append(np.asarray(Image.fromarray(image).resize((width, height), kind)))
    row = np.concatenate(scaled, axis=1)
    return row[:, : row.shape[1] // 2 * 2]


def line_chart(series: Mapping[str, tuple[NDArray, NDArray]], *, title: str, x_label: str, y_label: str
               ) -> NDArray[np.uint8]:
    """Lines (x, y) by name, with a legend: u1 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=x_label, ylabel=y_label)
    for name, (x, y) in series.items():
        axes.plot(x, y, label=name, marker="o", markersize=3)
    axes.grid(alpha=0.3)
    axes.legend()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
