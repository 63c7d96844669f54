"""Read the zip archives that PyTorch writes: plain entries, nothing packed, nothing extracted.

Nothing of an archive touches the disk, so its names are only names; the checks refuse what PyTorch
does not write and other programs could take for something else.
"""

import io
import stat
import struct
import zlib
from dataclasses import dataclass

from d2a_core.generator.unpickling.untrusted import AGAIN, Refusal

REPACK = "save it again with PyTorch"
MAX_DIRECTORY = 4 << 20  # bytes; 10 000 tensors take 1 MB
CHUNK = 1 << 20
MAX_16, MAX_32 = (1 << 16) - 1, (1 << 32) - 1
END, END_64, LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
ENTRY, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
ENCRYPTED = 1  # bit of an entry's flags


@dataclass(frozen=True, slots=True)
class Entry:
    """Place of an entry's bytes."""

    name: str
    header: int
    size: int
    check: int


class Archive:
    """The entries of one zip file by their names under its single top folder."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        self.file = file
        self.size = size
        self.starts: dict[str, int] = {}
        entries = self._entries(*self._directory())
        self._check_places(entries)
        self.entries = {entry.name.partition("/")[2]: entry for entry in entries}
        if len({entry.name.partition("/")[0] for entry in entries}) != 1:
            raise Refusal("is a zip archive, but none of PyTorch", "give the .pt file itself")

    def find(self, name: str) -> Entry:
        """Return the entry of that name."""
        entry = self.entries.get(name)
        if entry is None:
            raise Refusal(f"is a zip archive without {name[:80]!r}", "give a file that torch.save wrote")
        return entry

    def read(self, entry: Entry) -> bytearray:
        """Return the bytes of an entry, after comparing them with its checksum."""
        buffer = bytearray(entry.size)
        self.file.seek(self.starts[entry.name])
        if self.file.readinto(buffer) != entry.size or zlib.crc32(buffer) != entry.check:
            raise Refusal(f"is damaged in {entry.name[:80]!r}", AGAIN)
        return buffer

    def _at(self, offset: int, count: int) -> bytes:
        if not 0 <= offset <= offset + count <= self.size:
            raise Refusal("is a zip archive that points beyond its end", AGAIN)
        self.file.seek(offset)
        return self.file.read(count)

    def _directory(self) -> tuple[int, int]:
        """Offset and length of the directory at the archive's end."""
        tail = self._at(max(0, self.size - 22 - MAX_16), min(self.size, 22 + MAX_16))
        found = tail.rfind(END)
        if found < 0 or len(tail) - found < 22:
            raise Refusal("is a zip archive without its end", AGAIN)
        length, offset, comment = struct.unpack_from("<2LH", tail, found + 12)
        if found + 22 + comment != len(tail):
            raise Refusal("is a zip archive with something after its end", REPACK)
        place = self.size - len(tail) + found
        locator = tail[max(0, found - 20) : found]
        if locator.startswith(LOCATOR_64) and len(locator) == 20:
            end = self._at(struct.unpack_from("<Q", locator, 8)[0], 56)
            if not end.startswith(END_64):
                raise Refusal("is a zip archive without its end", AGAIN)
            length, offset = struct.unpack_from("<2Q", end, 40)
        if length > MAX_DIRECTORY:
            raise Refusal(f"is a zip archive with a directory of {length} bytes", REPACK)
        if offset + length > place:
            raise Refusal("is a zip archive that points beyond its end", AGAIN)
        return offset, length

    def _entries(self, offset: int, length: int) -> list[Entry]:
        data = self._at(offset, length)
        entries: dict[str, Entry] = {}
        place = 0
        while place < length:
            if data[place : place + 4] != ENTRY or length - place < 46:
                raise Refusal("is a zip archive with a damaged directory", AGAIN)
            sizes = struct.unpack_from("<3H", data, place + 28)
            stop = place + 46 + sum(sizes)
            entry = _entry(data[place:stop], *sizes[:2])
            if entry.name in entries:
                raise Refusal(f"has two entries {entry.name[:80]!r}", REPACK)
            entries[entry.name] = entry
            place = stop
        return list(entries.values())

    def _check_places(self, entries: list[Entry]) -> None:
        """Find where each entry's bytes start, and refuse entries that share some."""
        free = 0
        for entry in sorted(entries, key=lambda entry: entry.header):
            local = self._at(entry.header, 30)
            name_length, extra_length = struct.unpack_from("<2H", local, 26)
            start = entry.header + 30 + name_length + extra_length
            if local[:4] != LOCAL or self._at(entry.header + 30, name_length) != entry.name.encode():
                raise Refusal(f"has an entry {entry.name[:80]!r} in another place than it says", AGAIN)
            if entry.header < free or start + entry.size > self.size:
                raise Refusal(f"has an entry {entry.name[:80]!r} that overlaps another or the end", AGAIN)
            self.starts[entry.name] = start
            free = start + entry.size


def _entry(data: bytes, name_length: int, extra_length: int) -> Entry:
    """Check one line of the directory; `data` are its bytes."""
    flags, method = struct.unpack_from("<2H", data, 8)
    check, packed, size = struct.unpack_from("<3L", data, 16)
    mode, header = struct.unpack_from("<2L", data, 38)
    try:
        name = data[46 : 46 + name_length].decode()
    except UnicodeDecodeError:
        raise Refusal("has an entry whose name is no text", REPACK) from None
    extra = data[46 + name_length : 46 + name_length + extra_length]
    size, packed, header = _long_values(extra, [size, packed, header])
    if method or flags & ENCRYPTED or packed != size:
        raise Refusal(f"has a packed or encrypted entry {name[:80]!r}", REPACK)
    if stat.S_ISLNK(mode >> 16):
        raise Refusal(f"has a link {name[:80]!r} among its entries", REPACK)
    parts = name.split("/")
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts) or set(name) & set("\\\0:"):
        raise Refusal(f"has an entry {name[:80]!r} that leads outside", REPACK)
    return Entry(name, header, size, check)


def _long_values(extra: bytes, values: list[int]) -> list[int]:
    """Replace the values that do not fit into 32 bits by those of the extra field 1."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        field = extra[place + 4 : place + 4 + length]
        place += 4 + length
        if kind == 1:
            found = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            values = [next(found, value) if value == MAX_32 else value for value in values]
    return values
