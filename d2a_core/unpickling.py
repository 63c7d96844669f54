"""Read untrusted checkpoints: pickles and PyTorch files, without running what they name.

A pickle is a program. `load` interprets its opcodes itself: it never imports, calls or compiles what
the file names. A few known names (NumPy arrays, PyTorch tensors, ordered dictionaries) are rebuilt
here from checked values; any other call becomes a `Record` that only says what was to be called.
"""

import io
import pickletools
import re
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from d2a_core.archives import Archive, Refusal
from d2a_core.io import DAMAGE

MAX_OPCODES = 300_000  # a StyleGAN2 of 1024 px with its discriminator and average takes 80 000
MAX_TEXT = 16 << 20  # bytes of one string; protocol 2 writes a kernel of 512×512×3×3 as 14 MB of text
MAX_INTEGER = 1 << 10  # bytes of one number
MAX_DEPTH = 200  # of nested containers; the modules of StyleGAN2 reach 40
MAX_ITEMS = 2_000_000  # of the whole tree, with what is shared counted as often as it is shown
SPARE_BYTES = 32 << 20  # what a file's contents may take beyond twice its size
TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first value of a PyTorch file that is not a zip archive
TORCH_PROTOCOL = 1001
DISTRUST = "use a checkpoint from a source you trust"
AGAIN = "copy or download it again"

NUMERIC = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")
STORAGES = {
    **{"DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32},
    **{"ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8},
    **{"BoolStorage": torch.bool, "UntypedStorage": torch.uint8},
}
ARGUMENT_BYTES = {  # the longest argument of an opcode, where it is not a text; None: the file
    **dict.fromkeys(("BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"), None),
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4", "FLOAT", "GET", "PUT"), MAX_INTEGER),
}


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What the file names and nothing here knows: a class, an instance of it or a call."""

    module: str
    name: str
    args: tuple = field(default=(), repr=False)
    state: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Name(Record):
    """A `Record` that the file has named and may call."""


def load(path: str | Path) -> object:
    """Read a pickle or a PyTorch file into plain values, arrays, tensors and inert records.

    Containers come back as dict, list, tuple, set and frozenset, parameters as tensors on the CPU.
    Raises ValueError, in one sentence, on whatever is missing, damaged, hostile or no such file.
    """
    path = Path(path)
    try:
        _check_file(path)
        with path.open("rb") as file:
            return _read(file)
    except PermissionError:
        raise ValueError(f"{path} may not be read; give yourself the right to, or copy it") from None
    except Refusal as refusal:
        raise ValueError(f"{path} {refusal}") from None
    except (*DAMAGE, ArithmeticError, struct.error) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} is damaged or no checkpoint ({reason}); {AGAIN}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise Refusal("does not exist", "check the path of the checkpoint")
    if not path.is_file():
        raise Refusal("is a folder or a device", "name the checkpoint inside it")
    if not path.stat().st_size:
        raise Refusal("is empty", AGAIN)


def _read(file: BinaryIO) -> object:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    budget = _Budget(size)
    if head == b"PK\x03\x04":
        with closing(Archive(file, size)) as archive:
            value = _read_archive(archive, budget)
    else:
        value = _read_stream(file, size, budget)
    _check_tree(value)
    return value


def _read_archive(archive: Archive, budget: "_Budget") -> object:
    order = archive.get("byteorder")
    if order is not None and archive.read(order)[:8] != b"little":
        raise Refusal("has its numbers in big-endian order", "save it again on a common computer")
    program = archive.read(archive.find("data.pkl"))
    budget.spend(len(program))
    machine = _Machine(_Reader(io.BytesIO(program), len(program)), budget)
    machine.storages = _ArchiveStorages(archive, budget)
    return machine.run()


def _read_stream(file: BinaryIO, size: int, budget: "_Budget", *, nested: bool = False) -> object:
    """Read a plain pickle, or what PyTorch wrote before it took zip archives."""
    reader = _Reader(file, size)
    value = _Machine(reader, budget, nested=nested).run()
    if not (isinstance(value, int) and value == TORCH_MAGIC):
        if nested:
            raise Refusal("holds a tensor that PyTorch has not written", DISTRUST)
        return value
    protocol = _Machine(reader, budget).run()
    system = _Machine(reader, budget).run()
    if protocol != TORCH_PROTOCOL or not isinstance(system, dict) or not system.get("little_endian"):
        raise Refusal("is of a PyTorch format that is not known", "save it again with a current PyTorch")
    machine = _Machine(reader, budget, nested=nested)
    machine.storages = storages = _StreamStorages(reader, budget)
    value = machine.run()
    storages.fill(_Machine(reader, budget).run())
    return value


class _Budget:
    """What one file may cost: steps, memory, and the bytes that its arrays show."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.steps = 0
        self.bytes = 0
        self.shown = 0

    def step(self, count: int = 1) -> None:
        """Count opcodes, or the items that one of them copies."""
        self.steps += count
        if self.steps > MAX_OPCODES:
            raise Refusal(f"takes more than {MAX_OPCODES} steps to read", DISTRUST)

    def spend(self, count: int) -> None:
        """Count bytes before they are taken."""
        self.bytes += count
        if self.bytes > 2 * self.size + SPARE_BYTES:
            raise Refusal("unfolds to far more than its size", DISTRUST)

    def show(self, count: int) -> None:
        """Count the bytes of an array or tensor, also where it shares them with others."""
        self.shown += count
        if self.shown > self.size + SPARE_BYTES:
            raise Refusal("declares arrays larger than itself", DISTRUST)


class _Reader:
    """The bytes of a file in order, never asking for more than there are."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.left = size
        self.limit: int | None = MAX_TEXT

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
        """Return the rest of the line, with its end."""
        line = self.file.readline(min(self.left, self.limit or MAX_TEXT))
        self.take(len(line))
        return line

    def fill(self, buffer: bytearray) -> None:
        """Read as many bytes as `buffer` has into it."""
        self.limit = None
        self.take(len(buffer))
        if self.file.readinto(buffer) != len(buffer):
            raise Refusal("ends too early", AGAIN)


def _as_tensor(buffer: bytearray, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(buffer, dtype=dtype) if buffer else torch.empty(0, dtype=dtype)


def _storage_facts(saved: tuple) -> tuple[torch.dtype, str, int, int]:
    """Type, key, number of elements and of bytes of the storage that a file refers to."""
    if not (len(saved) in (5, 6) and saved[0] == "storage" and isinstance(saved[1], _Name)):
        raise Refusal("refers to something that is no tensor", DISTRUST)
    kind, key, count = saved[1], saved[2], saved[4]
    if kind.module not in ("torch", "torch.cuda", "torch.storage") or kind.name not in STORAGES:
        raise Refusal(f"holds a tensor of the unknown type {kind.name[:80]!r}", "save it as float32")
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise Refusal("refers to a tensor without a key or size", DISTRUST)
    dtype = STORAGES[kind.name]
    return dtype, key, count, count * dtype.itemsize


class _ArchiveStorages(dict):
    """The tensors' data of a zip archive, each read when it is first referred to."""

    def __init__(self, archive: Archive, budget: _Budget) -> None:
        super().__init__()
        self.archive = archive
        self.budget = budget

    def refer(self, saved: tuple) -> Tensor:
        """Return all elements of a storage as one row."""
        dtype, key, _, size = _storage_facts(saved)
        if key not in self:
            entry = self.archive.find(f"data/{key}")
            if entry.size != size:
                raise Refusal(f"says {size} bytes of a tensor that has {entry.size}", AGAIN)
            self.budget.spend(size)
            self[key] = _as_tensor(self.archive.read(entry), dtype)
        if self[key].dtype != dtype or self[key].nbytes != size:
            raise Refusal("takes the same data as two types or sizes", DISTRUST)
        return self[key]


class _StreamStorages(dict):
    """The tensors' data of a stream, which follow after all that refers to them."""

    def __init__(self, reader: _Reader, budget: _Budget) -> None:
        super().__init__()
        self.reader = reader
        self.budget = budget
        self.buffers: dict[str, bytearray] = {}

    def refer(self, saved: tuple) -> Tensor:
        """Return all elements of a storage, or of the view on it that the file means, as one row."""
        dtype, key, count, size = _storage_facts(saved)
        if key not in self:
            if size > self.reader.left:
                raise Refusal(f"says {size} bytes of a tensor and has {self.reader.left} left", AGAIN)
            self.budget.spend(size)
            self.buffers[key] = bytearray(size)
            self[key] = _as_tensor(self.buffers[key], dtype)
        row = self[key]
        if row.dtype != dtype or row.nbytes != size:
            raise Refusal("takes the same data as two types or sizes", DISTRUST)
        if len(saved) == 6 and saved[5] is not None:
            _, first, length = saved[5]
            if not (0 <= first <= first + length <= count):
                raise Refusal("has a view beyond its data", DISTRUST)
            row = row[first : first + length]
        return row

    def fill(self, keys: object) -> None:
        """Read the data of `keys`, which have to be all that were referred to."""
        if not isinstance(keys, list) or len(keys) != len(self) or any(key not in self for key in keys):
            raise Refusal("lists other tensors than it uses", AGAIN)
        for key in keys:
            buffer = self.buffers.pop(key, b"")
            self.reader.limit = None
            if int.from_bytes(self.reader.read(8), "little") != self[key].numel():
                raise Refusal("gives a tensor another size than it has announced", AGAIN)
            self.reader.fill(buffer)


class _Machine:
    """The stack, the memo and the opcodes of one pickle; `run` returns what it leaves."""

    def __init__(self, reader: _Reader, budget: _Budget, *, nested: bool = False) -> None:
        self.reader = reader
        self.budget = budget
        self.nested = nested
        self.storages: _ArchiveStorages | _StreamStorages | None = None
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Interpret the opcodes up to STOP."""
        while True:
            self.reader.limit = MAX_TEXT
            code = self.reader.read(1)
            opcode = pickletools.code2op.get(chr(code[0]))
            if opcode is None or opcode.name not in ACTIONS:
                raise Refusal(f"is no pickle, or uses its opcode {code!r}", "give a .pkl or .pt file")
            self.budget.step()
            argument = None if opcode.arg is None else self.argument(opcode)
            if opcode.name == "STOP":
                return self.pop()
            ACTIONS[opcode.name](self, argument)

    def argument(self, opcode: pickletools.OpcodeInfo) -> Any:
        """Read and pay for what follows an opcode."""
        self.reader.limit = ARGUMENT_BYTES.get(opcode.name, MAX_TEXT)
        argument = opcode.arg.reader(self.reader)
        if isinstance(argument, (str, bytes, bytearray)):
            self.budget.spend(sys.getsizeof(argument))
        return argument

    def pop(self) -> Any:
        """Take the last value off the stack."""
        if not self.stack:
            raise Refusal("takes a value where none is left", AGAIN)
        return self.stack.pop()

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def top(self) -> Any:
        """Return the last value of the stack."""
        if not self.stack:
            raise Refusal("takes a value where none is left", AGAIN)
        return self.stack[-1]

    def mark(self) -> None:
        """Begin a group of values."""
        self.marks.append(self.stack)
        self.stack = []

    def group(self) -> list:
        """End a group of values and return it."""
        if not self.marks:
            raise Refusal("ends a group that it has not begun", AGAIN)
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop_or_drop_mark(self) -> None:
        """POP: drop a value, or the mark where nothing lies on it."""
        if self.stack or not self.marks:
            self.pop()
        else:
            self.group()

    def remember(self, index: int) -> None:
        """Keep the last value under a number."""
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Put what was kept under a number on the stack."""
        if index not in self.memo:
            raise Refusal(f"takes the value {index} that it has not kept", AGAIN)
        self.push(self.memo[index])

    def name(self, words: str) -> None:
        """GLOBAL: name a class or function, `words` being its module and itself."""
        module, _, name = words.partition(" ")
        self.push(_Name(module, name))

    def name_from_stack(self) -> None:
        """STACK_GLOBAL: name a class or function."""
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise Refusal("names a class by something that is no text", DISTRUST)
        self.push(_Name(module, name))

    def append(self, items: list) -> None:
        """Add values to the list below them."""
        target = self.top()
        if type(target) is not list:
            raise Refusal(f"appends to {_kind(target)}", DISTRUST)
        target.extend(items)

    def update(self, items: list) -> None:
        """Add keys and values to the dictionary below them."""
        target = self.top()
        if type(target) is not dict:
            raise Refusal(f"sets items of {_kind(target)}", DISTRUST)
        target.update(_pairs(items))

    def add(self, items: list) -> None:
        """Add values to the set below them."""
        target = self.top()
        if type(target) is not set:
            raise Refusal(f"adds to {_kind(target)}", DISTRUST)
        target.update(map(_key, items))

    def call(self, function: object, args: object) -> object:
        """Rebuild what is known; of the rest keep only what was to be called with what."""
        if type(function) is not _Name:
            raise Refusal(f"calls {_kind(function)}", DISTRUST)
        if type(args) is not tuple:
            raise Refusal(f"calls {function.name[:80]!r} without arguments", DISTRUST)
        known = CALLS.get((function.module, function.name))
        if function.name == "EasyDict":
            known = _Machine.make_dict
        return Record(function.module, function.name, args) if known is None else known(self, *args)

    def reduce(self) -> None:
        """REDUCE and NEWOBJ: call a name with a tuple."""
        args, function = self.pop(), self.pop()
        self.push(self.call(function, args))

    def reduce_with_words(self) -> None:
        """NEWOBJ_EX: call a name with a tuple and a dictionary, which is kept as the last argument."""
        words, args, function = self.pop(), self.pop(), self.pop()
        if type(words) is not dict or type(args) is not tuple:
            raise Refusal("calls a class without arguments", DISTRUST)
        self.push(self.call(function, (*args, words) if words else args))

    def instantiate(self, function: object, args: list) -> None:
        """INST and OBJ: call a name with the values of a group."""
        self.push(self.call(function, tuple(args)))

    def instantiate_first(self) -> None:
        """OBJ: the first value of the group is what is called."""
        function, *args = self.group() or [None]
        self.instantiate(function, args)

    def build(self) -> None:
        """BUILD: give a state to an array or a record; dictionaries lose their attributes."""
        state, target = self.pop(), self.top()
        if isinstance(target, np.ndarray):
            self.build_array(target, state)
        elif isinstance(target, np.dtype):
            self.build_dtype(target, state)
        elif type(target) is Record and target.state is None:
            object.__setattr__(target, "state", state)
        elif type(target) is not dict:
            raise Refusal(f"sets the state of {_kind(target)}", DISTRUST)

    def build_array(self, array: np.ndarray, state: object) -> None:
        """Fill an array that is still empty."""
        if array.shape != (0,) or type(state) is not tuple or len(state) != 5:
            raise Refusal("holds an array that NumPy has not written", DISTRUST)
        _, shape, dtype, fortran, data = state
        if type(data) is str:
            data = data.encode("latin-1")
        self.check_array(shape, dtype, data)
        array.__setstate__((1, shape, dtype, bool(fortran), data))

    def check_array(self, shape: object, dtype: object, data: object) -> None:
        """Refuse what is no array of numbers of just the size of its data."""
        if not isinstance(dtype, np.dtype):
            raise Refusal("holds an array of Python objects", "save its numbers as a plain array")
        if not _whole(shape, 32) or type(data) not in (bytes, bytearray):
            raise Refusal("holds an array without a shape or data", DISTRUST)
        if _product(shape) * dtype.itemsize != len(data):
            raise Refusal(f"declares an array of another size than its {len(data)} bytes", AGAIN)
        self.budget.show(len(data))
        self.budget.spend(len(data))

    def build_dtype(self, dtype: np.dtype, state: object) -> None:
        """Set the byte order of a number type."""
        if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise Refusal("holds a number type that NumPy has not written", DISTRUST)
        dtype.__setstate__((3, state[1], None, None, None, -1, -1, 0))

    def refer(self, saved: object) -> None:
        """BINPERSID: take a tensor's data from where the file keeps them."""
        if self.storages is None or type(saved) is not tuple or not saved:
            raise Refusal("refers to an object outside itself", DISTRUST)
        self.push(saved[1] if saved[0] == "module" and len(saved) == 4 else self.storages.refer(saved))

    # What `call` knows. Each takes the arguments as the file has them.

    def make_dict(self, items: object = (), *_: object) -> dict:
        """An ordered or attribute dictionary as a plain one."""
        if isinstance(items, _Name):  # the factory of a defaultdict
            items = ()
        if not isinstance(items, (dict, list, tuple)):
            raise Refusal(f"makes a dictionary of {_kind(items)}", DISTRUST)
        self.budget.step(len(items))
        if isinstance(items, dict):
            return dict(items)
        return dict(_pairs([part for pair in items for part in _two(pair)]))

    def make_plain(self, kind: type, items: object = ()) -> object:
        """A list, tuple or set of the items of another."""
        if not isinstance(items, (list, tuple, set, frozenset)):
            raise Refusal(f"makes a {kind.__name__} of {_kind(items)}", DISTRUST)
        self.budget.step(len(items))
        return kind(map(_key, items)) if kind in (set, frozenset) else kind(items)

    def make_bytes(self, data: object = b"", encoding: object = "latin1") -> bytes:
        """Bytes that an old protocol has written as text."""
        if type(data) not in (str, bytes, bytearray) or encoding not in ("latin1", "latin-1"):
            raise Refusal(f"makes bytes of {_kind(data)}", DISTRUST)
        self.budget.spend(len(data))
        return data.encode("latin-1") if type(data) is str else bytes(data)

    def make_bytearray(self, data: object = b"", encoding: object = "latin1") -> bytearray:
        """The same as a bytearray."""
        return bytearray(self.make_bytes(data, encoding))

    def make_object(self, kind: object, _base: object = None, state: object = None) -> object:
        """An instance as protocols 0 and 1 write it."""
        if type(kind) is not _Name:
            raise Refusal(f"calls {_kind(kind)}", DISTRUST)
        return self.call(kind, () if state is None else (state,))

    def make_dtype(self, code: object, *_: object) -> object:
        """A number type; one that can hold more than numbers stays a record."""
        if type(code) is str and NUMERIC.fullmatch(code):
            return np.dtype(code, False, True)
        return Record("numpy", "dtype", (code,))

    def make_array(self, *_: object) -> np.ndarray:
        """An array that is filled later."""
        return np.empty(0)

    def make_array_from_buffer(self, data: object, dtype: object, shape: object, order: object) -> np.ndarray:
        """An array as protocol 5 writes it."""
        self.check_array(shape, dtype, data)
        return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C").copy("K")

    def make_scalar(self, dtype: object, data: object = b"") -> object:
        """A NumPy number as a Python one."""
        if type(data) is str:
            data = data.encode("latin-1")
        self.check_array((), dtype, data)
        return np.frombuffer(data, dtype)[0].item()

    def make_storage(self, data: object) -> object:
        """What PyTorch wrote into the bytes of a plain pickle: a file within the file."""
        if type(data) is not bytes or self.nested:
            raise Refusal("nests a PyTorch file in another", DISTRUST)
        return _read_stream(io.BytesIO(data), len(data), self.budget, nested=True)

    def make_tensor(
        self, storage: object, first: object, shape: object, strides: object, *_: object
    ) -> Tensor:
        """A tensor on its data, which it may neither leave nor repeat."""
        if not isinstance(storage, Tensor) or storage.ndim != 1 or not storage.is_contiguous():
            raise Refusal(f"holds a tensor on {_kind(storage)}", DISTRUST)
        if not (_whole((first,), 1) and _whole(shape, 32) and _whole(strides, 32)):
            raise Refusal("holds a tensor without a shape", DISTRUST)
        count = _product(shape)
        reach = sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        if count and (first + reach >= len(storage) or count > len(storage)):
            raise Refusal(f"has a tensor of shape {shape} beyond its {len(storage)} values", DISTRUST)
        self.budget.show(count * storage.itemsize)
        if not count:
            return storage.new_empty(shape)
        return storage.as_strided(shape, strides, storage.storage_offset() + first)

    def make_parameter(self, data: object, *_: object) -> Tensor:
        """A parameter as its tensor."""
        if not isinstance(data, Tensor):
            raise Refusal(f"makes a parameter of {_kind(data)}", DISTRUST)
        return data


def _kind(value: object) -> str:
    return f"{value.name[:80]!r}" if isinstance(value, Record) else f"a {type(value).__name__}"


def _whole(numbers: object, most: int) -> bool:
    """Whether `numbers` is a short tuple of whole numbers from 0 to what 64 bits hold."""
    return (
        type(numbers) in (tuple, list)
        and len(numbers) <= most
        and all(type(number) is int and 0 <= number < 1 << 63 for number in numbers)
    )


def _product(shape: Iterable[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _two(pair: object) -> tuple | list:
    if type(pair) not in (tuple, list) or len(pair) != 2:
        raise Refusal("makes a dictionary of what are no pairs", DISTRUST)
    return pair


def _key(value: object) -> object:
    """Let only such keys pass whose hashes cost nothing and do not meet by design."""
    if value is None or type(value) in (str, bytes, bool) or (type(value) is int and abs(value) < 1 << 63):
        return value
    raise Refusal(f"takes {_kind(value)} as a key", DISTRUST)


def _pairs(items: list) -> Iterable[tuple]:
    if len(items) % 2:
        raise Refusal("gives a key without its value", AGAIN)
    return zip(map(_key, items[::2]), items[1::2], strict=True)


def _children(value: object) -> tuple | list:
    if type(value) is dict:
        parts = value.values()
    elif type(value) in (list, tuple):
        parts = value
    elif isinstance(value, Record):
        parts = (value.args, value.state)
    else:
        return []
    return [part for part in parts if type(part) in (dict, list, tuple) or isinstance(part, Record)]


def _check_tree(root: object) -> None:
    """Refuse what would never end for those who walk through it, or would overflow their stack."""
    done: dict[int, tuple[int, int]] = {}  # depth and number of items of each container
    begun = {id(root)}
    path = [(root, _children(root))]
    while path:
        value, left = path[-1]
        if left:
            child = left.pop()
            if id(child) in done:
                continue
            if id(child) in begun:
                raise Refusal("holds a container that contains itself", DISTRUST)
            begun.add(id(child))
            path.append((child, _children(child)))
        else:
            path.pop()
            inside = [done[id(child)] for child in _children(value)]
            depth = 1 + max((depth for depth, _ in inside), default=0)
            items = 1 + _length(value) + sum(items for _, items in inside)
            done[id(value)] = depth, items
            if items > MAX_ITEMS:
                raise Refusal(f"unfolds to more than {MAX_ITEMS} items", DISTRUST)
            if depth > MAX_DEPTH:
                break
        if len(path) > MAX_DEPTH:
            break
    else:
        return
    raise Refusal(f"nests containers more than {MAX_DEPTH} deep", DISTRUST)


def _length(value: object) -> int:
    return len(value) if isinstance(value, (dict, list, tuple, set, frozenset)) else 0


def _constant(value: object) -> Callable[[_Machine, object], None]:
    return lambda machine, _: machine.push(value)


def _literal(machine: _Machine, argument: object) -> None:
    machine.push(argument)


ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
            *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
            *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        _literal,
    ),
    "NONE": _constant(None),
    "NEWTRUE": _constant(True),
    "NEWFALSE": _constant(False),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.recall),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.pop_or_drop_mark(),
    "POP_MARK": lambda machine, _: machine.group(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "LIST": lambda machine, _: machine.push(machine.group()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.group())),
    "TUPLE1": lambda machine, _: machine.push((machine.pop(),)),
    "TUPLE2": lambda machine, _: machine.push((machine.pop(), machine.pop())[::-1]),
    "TUPLE3": lambda machine, _: machine.push((machine.pop(), machine.pop(), machine.pop())[::-1]),
    "DICT": lambda machine, _: machine.push(dict(_pairs(machine.group()))),
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(_key, machine.group()))),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.group()),
    "SETITEM": lambda machine, _: machine.update([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.update(machine.group()),
    "ADDITEMS": lambda machine, _: machine.add(machine.group()),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": lambda machine, _: machine.name_from_stack(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "NEWOBJ": lambda machine, _: machine.reduce(),
    "NEWOBJ_EX": lambda machine, _: machine.reduce_with_words(),
    "INST": lambda machine, words: machine.instantiate(_Name(*words.split(" ", 1)), machine.group()),
    "OBJ": lambda machine, _: machine.instantiate_first(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.refer(machine.pop()),
}


def _plain(kind: type) -> Callable[..., object]:
    return lambda machine, *args: machine.make_plain(kind, *args)


def _calls() -> dict[tuple[str, str], Callable[..., object]]:
    """What may be rebuilt, under every name it has had."""
    calls = {
        ("_codecs", "encode"): _Machine.make_bytes,
        ("collections", "OrderedDict"): _Machine.make_dict,
        ("collections", "defaultdict"): _Machine.make_dict,
        ("torch", "Size"): _plain(tuple),
        ("torch.storage", "_load_from_bytes"): _Machine.make_storage,
        ("torch._utils", "_rebuild_tensor"): _Machine.make_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _Machine.make_tensor,
        ("torch._utils", "_rebuild_parameter"): _Machine.make_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _Machine.make_parameter,
        ("numpy", "dtype"): _Machine.make_dtype,
    }
    for module in ("copyreg", "copy_reg"):
        calls[module, "_reconstructor"] = _Machine.make_object
    for module in ("builtins", "__builtin__"):
        calls |= {(module, kind.__name__): _plain(kind) for kind in (list, tuple, set, frozenset)}
        calls[module, "dict"] = _Machine.make_dict
        calls[module, "bytes"] = _Machine.make_bytes
        calls[module, "bytearray"] = _Machine.make_bytearray
    for core in ("numpy.core", "numpy._core"):
        calls[f"{core}.multiarray", "_reconstruct"] = _Machine.make_array
        calls[f"{core}.multiarray", "scalar"] = _Machine.make_scalar
        calls[f"{core}.numeric", "_frombuffer"] = _Machine.make_array_from_buffer
    return calls


CALLS = _calls()
