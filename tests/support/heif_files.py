"""HEIF files as telephones write them, made here: a picture, or tiles in a grid, in HEVC or AV1."""

import io
import re
import struct
from fractions import Fraction

import av
import numpy as np
from PIL import Image


def box(kind, *content):
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def full(kind, version, flags, *content):
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def hevc(image, form="yuv420p"):
    """Decoder setup and content of a picture u1 [H, W, 3] in HEVC (ISO 14496-15, 8.3.3)."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *image.shape[:2], form
    encoder.time_base, encoder.options = Fraction(1), {"crf": "4", "x265-params": "log-level=none:info=0"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24").reformat(format=form)
    frame.pts, frame.time_base = 0, Fraction(1)
    coded = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode()])
    units = [unit for unit in re.split(b"\0\0\0?\x01", coded) if unit]
    kinds = [unit[0] >> 1 & 63 for unit in units]
    setups = [(kind, unit) for kind, unit in zip(kinds, units, strict=True) if kind in (32, 33, 34)]
    arrays = b"".join(struct.pack(">BHH", 0x80 | kind, 1, len(unit)) + unit for kind, unit in setups)
    slices = [unit for kind, unit in zip(kinds, units, strict=True) if kind < 32]
    head = b"\1" + bytes(20) + b"\xf3" + bytes([len(setups)])
    return head + arrays, b"".join(struct.pack(">I", len(unit)) + unit for unit in slices)


def av1(image):
    """The same in AV1, as Pillow writes it."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, format="AVIF", quality=95, subsampling="4:4:4")
    data = stream.getvalue()
    setup, content = data.index(b"av1C"), data.index(b"mdat")
    size = struct.unpack(">I", data[setup - 4 : setup])[0]
    return data[setup + 4 : setup - 4 + size], data[content + 4 :]


def write(path, image, *, tile=None, turns=0, mirror=None, coded=hevc, brand=b"heic", **colours):
    """Write a picture u1 [H, W, 3], in tiles of `tile` px where that is given.

    `turns` are those against the clock that a viewer makes, `mirror` its axis, 0 or 1. Of the `colours`,
    `profile` is ICC's, `tags` are primaries, transfer and matrix of ISO 23091-2, and if its range is full.
    """
    height, width = image.shape[:2]
    side = tile or max(height, width)
    rows, columns = (-(-height // side), -(-width // side)) if tile else (1, 1)
    padded = (
        np.pad(image, ((0, rows * side - height), (0, columns * side - width), (0, 0)), "edge")
        if tile
        else image
    )
    pieces = [
        padded[row * side : (row + 1) * side, column * side : (column + 1) * side]
        for row in range(rows)
        for column in range(columns)
    ] if tile else [image]  # fmt: skip
    made = [coded(piece) for piece in pieces]
    kind, setup = (b"av01", b"av1C") if coded is av1 else (b"hvc1", b"hvcC")
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    contents = [content for _, content in made] + ([grid] if tile else [])
    numbers = range(1, len(contents) + 1)
    primary = len(contents) if tile else 1
    tile_size = full(b"ispe", 0, 0, struct.pack(">II", *reversed(pieces[0].shape[:2])))
    whole_size = full(b"ispe", 0, 0, struct.pack(">II", width, height))
    pixels = full(b"pixi", 0, 0, b"\3\x08\x08\x08")
    properties = [box(setup, made[0][0]), tile_size, whole_size, pixels, box(b"irot", bytes([turns & 3]))]
    own = [3, 4, 0x85] if tile else [0x81, 3, 4, 0x85]
    if mirror is not None:
        properties.append(box(b"imir", bytes([mirror])))
        own.append(0x86)
    if "profile" in colours:
        properties.append(box(b"colr", b"prof", colours["profile"]))
        own.append(len(properties))
    if "tags" in colours:
        *told, is_full = colours["tags"]
        properties.append(box(b"colr", b"nclx", struct.pack(">HHHB", *told, 0x80 * is_full)))
        own.append(len(properties))
    links = [[0x81, 2, 4]] * (len(contents) - 1) + [own]
    infos = [
        full(b"infe", 2, 0, struct.pack(">HH4s", number, 0, b"grid" if number > len(pieces) else kind), b"\0")
        for number in numbers
    ]  # fmt: skip

    def meta(places):
        located = b"".join(
            struct.pack(">HHHHII", number, 0, 0, 1, place, len(content))
            for number, place, content in zip(numbers, places, contents, strict=True)
        )
        linked = b"".join(
            struct.pack(">HB", number, len(link)) + bytes(link)
            for number, link in zip(numbers, links, strict=True)
        )
        parts = struct.pack(f">HH{len(pieces)}H", primary, len(pieces), *range(1, len(pieces) + 1))
        return full(
            b"meta", 0, 0,
            full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(12), b"\0"),
            full(b"pitm", 0, 0, struct.pack(">H", primary)),
            full(b"iloc", 1, 0, b"\x44\0", struct.pack(">H", len(contents)), located),
            full(b"iinf", 0, 0, struct.pack(">H", len(infos)), *infos),
            *([full(b"iref", 0, 0, box(b"dimg", parts))] if tile else []),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", 0, 0, struct.pack(">I", len(links)), linked),
            ),
        )  # fmt: skip

    head = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    start = len(head) + len(meta([0] * len(contents))) + 8
    places = [start + sum(map(len, contents[:number])) for number in range(len(contents))]
    path.write_bytes(head + meta(places) + box(b"mdat", *contents))
    return path
