"""Photos in HEIF (ISO 23008-12), as of telephones: one picture coded in HEVC or AV1, or a grid of them."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from numpy.typing import NDArray

from d2a_core.media import colours

MOST_TILES = 4096
MOST_SURPLUS = 4  # of tiles over the picture, as a share of it
LEAST_TILE = 3 << 20  # bytes, which a tile may always have
DECODERS = {"hvc1": ("hevc", "hvcC"), "hev1": ("hevc", "hvcC"), "av01": ("libdav1d", "av1C")}  # and setup


@dataclass(frozen=True)
class _Item:
    """A piece of a file: type, content, properties (type, content) and the items that it is made of."""

    kind: str
    content: bytes
    properties: list[tuple[str, bytes]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)

    def first(self, kind: str) -> bytes | None:
        """The content of the first property of a type."""
        return next((content for name, content in self.properties if name == kind), None)


class Tags(NamedTuple):
    """What a file says of the colours of its picture, by the numbers of ISO 23091-2."""

    primaries: int
    transfer: int
    matrix: int
    is_full: bool


@dataclass(frozen=True)
class Heif:
    """The primary picture of a file of `width` × `height` px, not yet turned.

    An `icc_profile` is to be applied to it; the `tags` are when it is decoded.
    """

    items: Mapping[int, _Item]
    primary: _Item
    width: int
    height: int
    icc_profile: bytes | None
    tags: Tags | None

    @property
    def is_opaque(self) -> bool:
        """Whether no item of the file says how transparent the picture is."""
        return not any(b"alpha" in (item.first("auxC") or b"") for item in self.items.values())

    def image(self) -> NDArray[np.uint8]:
        """The picture u1 [H, W, 3], upright. Raises ValueError where it cannot be decoded."""
        tiles = [_decoded(self.primary, self.tags)] if self.primary.kind in DECODERS else self._rows()
        whole = np.vstack(tiles)[: self.height, : self.width]
        if whole.shape[:2] != (self.height, self.width):
            raise ValueError(f"its tiles do not fill {self.width}×{self.height} pixels")
        for kind, content in self.primary.properties:  # in this order
            if kind == "irot":
                whole = np.rot90(whole, content[0] & 3)
            if kind == "imir":
                whole = whole[:, ::-1] if content[0] & 1 else whole[::-1]
        return np.ascontiguousarray(whole)

    def _rows(self) -> list[NDArray[np.uint8]]:
        """The rows of a grid, each of its tiles side by side."""
        rows, columns = (number + 1 for number in self.primary.content[2:4])
        parts = self.primary.parts
        if rows * columns != len(parts):
            raise ValueError(f"it has {len(parts)} tiles in place of {rows * columns}")
        tiles: dict[int, NDArray[np.uint8]] = {}
        for number in dict.fromkeys(parts):
            tiles[number] = _decoded(self.items[number], self.tags)
            if tiles[number].size > MOST_SURPLUS * self.width * self.height * 3 // len(parts) + LEAST_TILE:
                raise ValueError("its tiles are larger than it is")
        return [
            np.hstack([tiles[number] for number in parts[row * columns : (row + 1) * columns]])
            for row in range(rows)
        ]


def read(path: Path) -> Heif:
    """Read what a file says of its primary picture; raises one of `recognition.UNREADABLE` if damaged."""
    content = path.read_bytes()
    meta = _first(_boxes(content), "meta")[4:]
    inside = dict(_boxes(meta))
    items = _items(content, inside)
    primary = items[_number(inside["pitm"], 4, 2 if inside["pitm"][0] == 0 else 4)]
    if primary.kind == "grid":
        wide = 4 if primary.content[1] & 1 else 2
        width, height = (_number(primary.content, 4 + place * wide, wide) for place in (0, 1))
    elif primary.kind in DECODERS:
        size = primary.first("ispe") or b""
        width, height = struct.unpack(">II", size[4:12])
    else:
        raise ValueError(f"its picture is of the type {primary.kind!r}")
    tags = _tags(primary) or next(filter(None, (_tags(items[part]) for part in primary.parts)), None)
    profile = next(
        (each for kind, each in primary.properties if kind == "colr" and each[:4] != b"nclx"), None
    )
    if profile is not None and tags is not None:
        if tags.transfer in colours.HDR:  # of which a profile knows little
            profile = None
        else:
            tags = tags._replace(primaries=ColorPrimaries.BT709, transfer=ColorTrc.BT709)
    return Heif(items, primary, width, height, profile[4:] if profile else None, tags)


def _tags(item: _Item) -> Tags | None:
    for kind, content in item.properties:
        if kind == "colr" and content[:4] == b"nclx" and len(content) >= 11:
            primaries, transfer, matrix = struct.unpack(">HHH", content[4:10])
            return Tags(primaries, transfer, matrix, bool(content[10] & 0x80))
    return None


def _decoded(item: _Item, tags: Tags | None) -> NDArray[np.uint8]:
    """Picture u1 [H, W, 3] of one coded item; the `tags` of the file go before its own."""
    name, box = DECODERS.get(item.kind, ("", ""))
    setup = item.first(box)
    if setup is None:
        raise ValueError(f"a tile of it is of the type {item.kind!r}")
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = setup
    try:
        frames = [*decoder.decode(av.Packet(item.content)), *decoder.decode(None)]
    except av.FFmpegError as error:
        raise ValueError(f"a tile of it is damaged: {error.strerror}") from error
    if not frames:
        raise ValueError("a tile of it is damaged")
    frame = frames[0]
    if tags is not None:
        frame.color_primaries, frame.color_trc, frame.colorspace = tags[:3]
        frame.color_range = ColorRange.JPEG if tags.is_full else ColorRange.MPEG
    return colours.to_rgb(frame, frame.width, frame.height)


def _boxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and content of each box."""
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1:
            size, head = _number(content, place + 8, 8), 16
        size = size or len(content) - place
        if size < head:
            raise ValueError("its boxes are damaged")
        yield kind.decode("latin-1"), content[place + head : place + size]
        place += size


def _first(boxes: Iterator[tuple[str, bytes]], kind: str) -> bytes:
    found = next((content for name, content in boxes if name == kind), None)
    if found is None:
        raise ValueError(f"its box {kind!r} is missing")
    return found


def _number(content: bytes, place: int, size: int) -> int:
    if place + size > len(content):
        raise ValueError("its boxes are cut off")
    return int.from_bytes(content[place : place + size])


def _items(content: bytes, meta: Mapping[str, bytes]) -> dict[int, _Item]:
    kinds = dict(_kinds(meta["iinf"]))
    places = dict(_places(meta["iloc"], content, meta.get("idat", b"")))
    boxes = dict(_boxes(meta["iprp"]))
    known = list(_boxes(boxes["ipco"]))
    properties = {number: [known[index - 1] for index in found] for number, found in _links(boxes["ipma"])}
    parts = dict(_references(meta.get("iref", b"\0\0\0\0")))
    return {
        number: _Item(kind, places.get(number, b""), properties.get(number, []), parts.get(number, []))
        for number, kind in kinds.items()
    }


def _kinds(iinf: bytes) -> Iterator[tuple[int, str]]:
    """Number and type of each item."""
    for _, entry in _boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        wide = 4 if entry[0] >= 3 else 2
        yield _number(entry, 4, wide), entry[6 + wide : 10 + wide].decode("latin-1")


def _places(iloc: bytes, content: bytes, idat: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each item."""
    version, sizes = iloc[0], iloc[4:6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size, wide = (sizes[1] & 15 if version else 0), (4 if version == 2 else 2)
    place, left = 6 + wide, 2 * len(content)  # no item is in a file many times
    for _ in range(_number(iloc, 6, wide)):
        number = _number(iloc, place, wide)
        place += wide
        source = content
        if version:
            source = idat if _number(iloc, place, 2) & 15 == 1 else content
            place += 2
        base = _number(iloc, place + 2, base_size)
        extents = _number(iloc, place + 2 + base_size, 2)
        place += 4 + base_size
        if extents > 1 and not index_size + offset_size + length_size:
            raise ValueError("its items are damaged")
        found = []
        for _ in range(extents):
            place += index_size
            start = base + _number(iloc, place, offset_size)
            length = _number(iloc, place + offset_size, length_size)
            place += offset_size + length_size
            found.append(source[start : start + length if length else None])
            left -= len(found[-1])
            if left < 0:
                raise ValueError("its items are larger than it is")
        yield number, b"".join(found)


def _links(ipma: bytes) -> Iterator[tuple[int, list[int]]]:
    """Number of each item, and of its properties, from 1 on."""
    wide, long = (2 if ipma[0] < 1 else 4), bool(ipma[3] & 1)
    place = 8
    for _ in range(_number(ipma, 4, 4)):
        number, count = _number(ipma, place, wide), _number(ipma, place + wide, 1)
        place += wide + 1
        step = 2 if long else 1
        found = [
            _number(ipma, place + step * each, step) & (0x7FFF if long else 0x7F) for each in range(count)
        ]
        place += step * count
        yield number, [index for index in found if index]


def _references(iref: bytes) -> Iterator[tuple[int, list[int]]]:
    """Number of each item that is made of others, and of these."""
    wide = 2 if iref[0] == 0 else 4
    for kind, entry in _boxes(iref[4:]):
        if kind == "dimg":
            count = _number(entry, wide, 2)
            if count > MOST_TILES:
                raise ValueError(f"it has {count} tiles")
            yield (
                _number(entry, 0, wide),
                [_number(entry, wide + 2 + wide * each, wide) for each in range(count)],
            )
