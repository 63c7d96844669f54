"""Tools to read an untrusted file: refusals, limits, bounded reading, and inert records."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeGuard, TypeVar

MAX_STEPS = 200_000  # a StyleGAN2 of 1024 px with its discriminator and average takes 65 000
MAX_TEXT = 16 << 20  # bytes of one string; protocol 2 writes a kernel of 512×512×3×3 as 14 MB of text
SPARE_BYTES = 32 << 20  # what a file's contents may take beyond twice its size
MAX_DIMENSIONS = 32
Kind = TypeVar("Kind")
DISTRUST = "use a checkpoint from a source you trust"
AGAIN = "copy or download it again"


class Refusal(ValueError):
    """Fault of a file, and the remedy; whoever knows the file's name puts it in front."""

    def __init__(self, wrong: str, remedy: str) -> None:
        super().__init__(f"{wrong}; {remedy}")


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """Unknown thing that the file names: a class, an instance of it or a call."""

    module: str
    name: str
    args: tuple = field(default=(), repr=False)
    state: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Name(Record):
    """A `Record` of a class or function itself, which the file may call."""


class Budget:
    """Limits of one file: steps, memory, and the bytes that its arrays show."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.steps = 0
        self.bytes = 0
        self.shown = 0

    def step(self, count: int = 1) -> None:
        """Count opcodes, or the items that one of them copies."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise Refusal(f"takes more than {MAX_STEPS} steps to read", DISTRUST)

    def spend(self, count: int) -> None:
        """Count bytes of memory before they are taken."""
        self.bytes += count
        if self.bytes > 2 * self.size + SPARE_BYTES:
            raise Refusal("unfolds to far more than its size", DISTRUST)

    def show(self, count: int) -> None:
        """Count the bytes of an array or tensor, also where it shares them with others."""
        self.shown += count
        if self.shown > self.size + SPARE_BYTES:
            raise Refusal("declares arrays larger than itself", DISTRUST)


class Reader:
    """The bytes of a file in order, never asking for more than there are."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        self.file = file
        self.left = size
        self.limit: int | None = MAX_TEXT  # of one piece; None: what is left

    def take(self, count: int) -> None:
        """Check that `count` more bytes may be read, and count them as read."""
        if count > self.left:
            raise Refusal(f"ends too early: {count} bytes are due and {self.left} are left", AGAIN)
        if self.limit is not None and count > self.limit:
            raise Refusal(f"holds a text or number of {count} bytes", DISTRUST)
        self.left -= count

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        self.take(count)
        return self.file.read(count)

    def readline(self) -> bytes:
        """Return the rest of the line with its end, or without it what the limit leaves."""
        line = self.file.readline(min(self.left, MAX_TEXT if self.limit is None else self.limit))
        self.take(len(line))
        return line

    def fill(self, buffer: bytearray) -> None:
        """Read as many bytes as `buffer` has into it."""
        self.limit = None
        self.take(len(buffer))
        if self.file.readinto(buffer) != len(buffer):
            raise Refusal("ends too early", AGAIN)


def kind(value: object) -> str:
    """Name a value in a refusal."""
    return (
        f"{value.name[:80]!r}" if isinstance(value, Record) else f"a value of the type {type(value).__name__}"
    )


def is_one_of(value: object, *kinds: type[Kind]) -> TypeGuard[Kind]:
    """Whether a value is of just one of these types, and of none made of them."""
    return type(value) in kinds


def is_bytes(value: object) -> TypeGuard[bytes | bytearray]:
    """Whether a value holds bytes."""
    return type(value) in (bytes, bytearray)


def is_size(number: object) -> TypeGuard[int]:
    """Whether a value is a whole number from 0 to what 64 bits hold."""
    return type(number) is int and 0 <= number < 1 << 63


def is_shape(numbers: object) -> TypeGuard[tuple[int, ...]]:
    """Whether `numbers` is a short tuple of whole numbers from 0 to what 64 bits hold."""
    return type(numbers) is tuple and len(numbers) <= MAX_DIMENSIONS and all(map(is_size, numbers))


def checked_key(value: object) -> object:
    """Let only keys pass whose hashes are cheap and cannot be made to collide."""
    if value is None or type(value) in (str, bytes, bool) or (type(value) is int and abs(value) < 1 << 63):
        return value
    raise Refusal(f"takes {kind(value)} as a key", DISTRUST)


def pairs(items: list) -> Iterable[tuple]:
    """Join the keys and values that alternate in `items`."""
    if len(items) % 2:
        raise Refusal("gives a key without its value", AGAIN)
    return zip(map(checked_key, items[::2]), items[1::2], strict=True)
