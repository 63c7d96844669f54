"""Colours of decoded frames as 8-bit RGB of BT.709, what ordinary screens and this project take."""

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

HD = (1280, 576)  # px: wider or higher clips that do not say are of BT.709, as players have it
YUV = {  # what clips say (ISO 23091-2) and FFmpeg's scaler knows
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,  # of constant luminance, which nobody records
}
YCGCO = 8
HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
WIDE = {  # linear RGB to that of BT.709, white at D65 in all
    ColorPrimaries.BT2020: (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    ),
    ColorPrimaries.SMPTE432: (  # Display P3
        (1.224940, -0.224940, 0.0),
        (-0.042057, 1.042057, 0.0),
        (-0.019638, -0.078636, 1.098273),
    ),
}
LUMA = {  # of BT.2100 and of P3, from linear RGB
    ColorPrimaries.BT2020: (0.2627, 0.6780, 0.0593),
    ColorPrimaries.SMPTE432: (0.2290, 0.6917, 0.0793),
}
WHITE_NITS = 203.0  # of paper and of graphics in HDR, BT.2408: it becomes white
PQ_NITS = 10000.0  # of PQ's highest code
PEAK_NITS = 1000.0  # of the screen that HLG is meant for
SDR_GAMMA = 2.4  # of a screen, BT.1886
KNEE = 0.8  # of white: what is darker stays, what is lighter is compressed
TABLE_BITS = 12
ROWS = 64  # at a time: a picture of 4K would take half a gigabyte


def to_rgb(frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """Picture u1 [`height`, `width`, 3] of a frame, as the frame says that its colours are meant.

    HDR (PQ, HLG) and wide gamuts are brought into BT.709: see `narrowed`.
    """
    if frame.colorspace == YCGCO and not frame.format.is_rgb:
        return _from_ycgco(frame, width, height)
    matrix = _matrix(frame)
    if not is_wide(frame.color_primaries, frame.color_trc):
        return (
            frame.reformat(width, height, "rgb24", src_colorspace=matrix)
            .to_ndarray()
            .astype(np.uint8, copy=False)
        )
    deep = frame.reformat(
        width, height, "rgb48le", src_colorspace=matrix, dst_color_range=ColorRange.JPEG
    ).to_ndarray()
    return narrowed(
        deep.astype(np.uint16, copy=False), primaries=frame.color_primaries, transfer=frame.color_trc
    )


def is_wide(primaries: int, transfer: int) -> bool:
    """Whether what has these tags (ISO 23091-2) shows more than BT.709 can."""
    return transfer in HDR or primaries in WIDE


def remark(transfer: int) -> str | None:
    """What to say of the colours of a clip or photo; None of ordinary ones."""
    if transfer in HDR:
        return f"is HDR ({HDR[ColorTrc(transfer)]}); it is tone-mapped to ordinary brightness"
    return None


def narrowed(rgb: NDArray[np.uint16], *, primaries: int, transfer: int) -> NDArray[np.uint8]:
    """Colours u2 [H, W, 3] of full range as u1 of BT.709, for a screen of BT.1886.

    HDR is decoded to nits by BT.2100. 203 nits, the white of paper (BT.2408), becomes white; up to 80 % of it
    brightness stays as it is, above it an exponential curve of the same slope leads to white, equally for
    red, green and blue, so that hues stay. What BT.709 cannot show is cut off.
    """
    table, picture = _decoding(transfer), np.empty(rgb.shape, np.uint8)
    for row in range(0, len(rgb), ROWS):
        part = slice(row, row + ROWS)
        picture[part] = _narrowed(table[rgb[part] >> (16 - TABLE_BITS)], primaries, transfer)
    return picture


def _narrowed(light: NDArray[np.float32], primaries: int, transfer: int) -> NDArray[np.uint8]:
    known = ColorPrimaries(primaries) if primaries in WIDE else ColorPrimaries.BT2020
    if transfer == ColorTrc.ARIB_STD_B67:  # from scene to screen: BT.2100's gamma of 1.2
        luma = np.maximum(light @ np.array(LUMA[known], np.float32), 1e-6)
        gain = PEAK_NITS / WHITE_NITS * luma**0.2
        light = light * gain.astype(np.float32)[..., None]
    if transfer in HDR:
        brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
        light = light * (_curve(brightest) / brightest)
    if primaries != ColorPrimaries.BT709:
        light = light @ np.array(WIDE[known], np.float32).T
    return np.rint(np.float32(255) * np.clip(light, 0, 1) ** np.float32(1 / SDR_GAMMA)).astype(np.uint8)


def _curve(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness relative to white, brought below 1."""
    above = np.maximum(light - KNEE, 0)
    return np.minimum(light, KNEE) + (1 - KNEE) * (1 - np.exp(-above / (1 - KNEE)))


def _decoding(transfer: int) -> NDArray[np.float32]:
    """Linear light of each code of `TABLE_BITS`: relative to white; of HLG, that of the scene from 0 to 1."""
    code = np.linspace(0, 1, 2**TABLE_BITS)
    if transfer == ColorTrc.SMPTE2084:  # BT.2100, table 4
        root = code ** (32 / 2523)
        share = (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)
        return (PQ_NITS / WHITE_NITS * share).astype(np.float32)
    if transfer == ColorTrc.ARIB_STD_B67:  # BT.2100, table 5
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)
    return (code**SDR_GAMMA).astype(np.float32)


def _matrix(frame: av.VideoFrame) -> Colorspace:
    if frame.colorspace in YUV:
        return YUV[frame.colorspace]
    if frame.color_primaries == ColorPrimaries.BT2020 or frame.color_trc in HDR:
        return Colorspace.BT2020
    return Colorspace.ITU709 if frame.width >= HD[0] or frame.height > HD[1] else Colorspace.ITU601


def _from_ycgco(frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """RGB of a colour space that FFmpeg's scaler does not know."""
    same = {"src_colorspace": Colorspace.ITU601, "dst_colorspace": Colorspace.ITU601}  # not to be converted
    planes = frame.reformat(width, height, "yuv444p", **same).to_ndarray()
    y, cg, co = planes.astype(np.float32).reshape(3, height, width)
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    black, white, chroma = (0, 255, 255) if full else (16, 219, 224)
    green, orange, level = (cg - 128) / chroma, (co - 128) / chroma, (y - black) / white
    rgb = np.stack((level - green + orange, level + green, level - green - orange), axis=-1)
    return np.rint(255 * np.clip(rgb, 0, 1)).astype(np.uint8)
