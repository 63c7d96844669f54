"""Read untrusted checkpoints: pickles and PyTorch files, without running what they name.

A pickle is a program. `load` interprets its opcodes itself: it never imports, calls or compiles what
the file names. A few known names (NumPy arrays, PyTorch tensors, ordered dictionaries) are rebuilt
from checked values; any other call becomes a `Record` that only says what was to be called.
"""

import io
import pickletools
import struct
import sys
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np

from d2a_core.generator.unpickling import rebuilding
from d2a_core.generator.unpickling.archives import Archive
from d2a_core.generator.unpickling.untrusted import (
    AGAIN,
    DISTRUST,
    MAX_TEXT,
    Budget,
    Name,
    Reader,
    Record,
    Refusal,
    checked_key,
    kind,
    pairs,
)
from d2a_core.store.manifests import DAMAGE

MAX_DEPTH = 200  # of nested containers; the modules of StyleGAN2 reach 40
MAX_ITEMS = 2_000_000  # of the whole tree, with what is shared counted as often as it is shown
MAX_NUMBER = 1 << 8  # bytes
MAX_NAME = 1 << 12  # bytes
TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # first value of a PyTorch file that is not a zip archive
TORCH_PROTOCOL = 1001
NO_CHECKPOINT = "is no pickle or PyTorch file", "give a .pkl, .pt or .pth checkpoint"
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
ARGUMENT_BYTES = {  # the longest argument of an opcode, where it is not a text; None: the file
    **dict.fromkeys(("BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"), None),
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4", "FLOAT", "GET", "PUT"), MAX_NUMBER),
    **dict.fromkeys(("GLOBAL", "INST", "PERSID"), MAX_NAME),
}


def load(path: str | Path) -> object:
    """Read a pickle or a PyTorch file into plain values, arrays, tensors and inert records.

    Containers come back as dict, list, tuple, set and frozenset, parameters as tensors on the CPU, and
    NumPy's number types as they are.
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
        raise ValueError(f"{path} is damaged or no checkpoint; {AGAIN}") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise Refusal("does not exist", "check the path of the checkpoint")
    if not path.is_file():
        raise Refusal("is a folder or a device", "name the checkpoint inside it")
    if not path.stat().st_size:
        raise Refusal("is empty", AGAIN)


def _read(file: io.BufferedIOBase) -> object:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head == b"PK\x03\x04":
        value = _read_archive(Archive(file, size), Budget(size))
    else:
        value = _read_stream(file, size, Budget(size))
    _check_tree(value)
    return value


def _read_archive(archive: Archive, budget: Budget) -> object:
    order = archive.entries.get("byteorder")
    if order is not None and archive.read(order) != b"little":
        raise Refusal("has its numbers in big-endian order", "save it again on a common computer")
    entry = archive.find("data.pkl")
    budget.spend(entry.size)
    reader = Reader(io.BytesIO(archive.read(entry)), entry.size)
    return Machine(reader, budget, rebuilding.ArchiveStorages(archive, budget)).run()


def _read_stream(file: io.BufferedIOBase, size: int, budget: Budget, *, nested: bool = False) -> object:
    """Read a plain pickle, or what PyTorch wrote before it took zip archives."""
    reader = Reader(file, size)
    value = Machine(reader, budget, nested=nested).run()
    if type(value) is not int or value != TORCH_MAGIC:
        if nested:
            raise Refusal("holds a tensor that PyTorch has not written", DISTRUST)
        return value
    protocol = Machine(reader, budget, nested=nested).run()
    system = Machine(reader, budget, nested=nested).run()
    known = type(protocol) is int and protocol == TORCH_PROTOCOL
    if not known or type(system) is not dict or system.get("little_endian") is not True:
        raise Refusal("is of a PyTorch format that is not known", "save it again with a current PyTorch")
    storages = rebuilding.StreamStorages(reader, budget)
    value = Machine(reader, budget, storages, nested=nested).run()
    storages.fill(Machine(reader, budget, nested=nested).run())
    return value


class Machine:
    """The stack, the memo and the opcodes of one pickle; `run` returns what it leaves.

    `storages` is where persistent references lead; `nested` says that the file is inside another.
    """

    def __init__(
        self,
        reader: Reader,
        budget: Budget,
        storages: rebuilding.ArchiveStorages | rebuilding.StreamStorages | None = None,
        *,
        nested: bool = False,
    ) -> None:
        self.reader = reader
        self.budget = budget
        self.storages = storages
        self.nested = nested
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Interpret the opcodes up to STOP."""
        while True:
            self.reader.limit = MAX_TEXT
            opcode = OPCODES.get(self.reader.read(1).decode("latin-1"))
            if opcode is None:
                raise Refusal(*NO_CHECKPOINT)
            self.budget.step()
            argument = None if opcode.arg is None else self.argument(opcode)
            if opcode.name == "STOP":
                return self.pop()
            if opcode.name not in ACTIONS:
                raise Refusal(f"uses the pickle opcode {opcode.name}, which no checkpoint needs", DISTRUST)
            ACTIONS[opcode.name](self, argument)

    def argument(self, opcode: pickletools.OpcodeInfo) -> Any:
        """Read and pay for what follows an opcode."""
        self.reader.limit = ARGUMENT_BYTES.get(opcode.name, MAX_TEXT)
        argument = methodcaller("reader", self.reader)(opcode.arg)  # typed for files, it only reads
        if isinstance(argument, (str, bytes, bytearray)):
            self.budget.spend(sys.getsizeof(argument))
        return argument

    def frame(self, size: int) -> None:
        """Refuse a frame longer than the file. Others are for buffering and change nothing."""
        if size > self.reader.left:
            raise Refusal(f"ends too early: {size} bytes are due and {self.reader.left} are left", AGAIN)

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

    def drop(self) -> None:
        """Drop a value, or the group that has none."""
        if self.stack or not self.marks:
            self.pop()
        else:
            self.group()

    def last(self, count: int) -> tuple:
        """Take the last values as a tuple."""
        return tuple([self.pop() for _ in range(count)][::-1])

    def remember(self, index: int) -> None:
        """Keep the last value under a number."""
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Put what was kept under a number on the stack."""
        if index not in self.memo:
            raise Refusal(f"takes the value {index} that it has not kept", AGAIN)
        self.push(self.memo[index])

    def name(self, module: object, name: object) -> None:
        """Name a class or function."""
        if type(module) is not str or type(name) is not str:
            raise Refusal("names a class by something that is no text", DISTRUST)
        self.push(Name(module, name))

    def append(self, items: list) -> None:
        """Add values to the list below them."""
        target = self.top()
        if type(target) is not list:
            raise Refusal(f"appends to {kind(target)}", DISTRUST)
        target.extend(items)

    def update(self, items: list) -> None:
        """Add keys and values to the dictionary below them."""
        target = self.top()
        if type(target) is not dict:
            raise Refusal(f"sets items of {kind(target)}", DISTRUST)
        target.update(pairs(items))

    def add(self, items: list) -> None:
        """Add values to the set below them."""
        target = self.top()
        if type(target) is not set:
            raise Refusal(f"adds to {kind(target)}", DISTRUST)
        target.update(map(checked_key, items))

    def call(self, function: object, args: object) -> object:
        """Rebuild what is known; of the rest keep only what was to be called with what."""
        if type(function) is not Name:
            raise Refusal(f"calls what is no class or function but {kind(function)}", DISTRUST)
        if type(args) is not tuple:
            raise Refusal(f"calls {kind(function)} with {kind(args)} as arguments", DISTRUST)
        known = rebuilding.KNOWN.get((function.module, function.name))
        if function.name == "EasyDict":
            known = rebuilding.dictionary
        here = HERE.get((function.module, function.name))
        try:
            if here is not None:
                return here(self, *args)
            if known is not None:
                return known(self.budget, *args)
        except TypeError:
            raise Refusal(f"calls {kind(function)} with arguments it does not take", DISTRUST) from None
        return Record(function.module, function.name, args)

    def call_first(self, function: object = None, *args: object) -> object:
        """Call the first value of a group with the others."""
        return self.call(function, args)

    def object_of(self, function: object, _base: object, state: object = None) -> object:
        """Handle `copyreg._reconstructor`, which pickle protocols 0 and 1 use to create objects."""
        return self.call(function, () if state is None else (state,))

    def storage(self, data: object) -> object:
        """Read PyTorch's data in the bytes of a plain pickle, a file within the file."""
        if type(data) is not bytes or self.nested:
            raise Refusal("nests a PyTorch file in another", DISTRUST)
        return _read_stream(io.BytesIO(data), len(data), self.budget, nested=True)

    def typed(self, function: object, _type: object, args: object, _state: object) -> object:
        """Rebuild a tensor without its attributes."""
        if type(function) is not Name or function.module != "torch._utils":
            raise Refusal(f"makes a tensor by {kind(function)}", DISTRUST)
        return self.call(function, args)

    def with_words(self, function: object, args: object, words: object) -> object:
        """Call with named arguments, which are kept together as the last one."""
        if type(words) is not dict or type(args) is not tuple:
            raise Refusal(f"calls {kind(function)} with {kind(args)} and {kind(words)}", DISTRUST)
        return self.call(function, (*args, words) if words else args)

    def build(self) -> None:
        """Give a state to an array or a record; dictionaries lose their attributes."""
        state, target = self.pop(), self.top()
        if isinstance(target, np.ndarray):
            rebuilding.fill_array(self.budget, target, state)
        elif isinstance(target, np.dtype):
            rebuilding.set_byte_order(target, state)
        elif type(target) is Record and target.state is None:
            object.__setattr__(target, "state", state)
        elif type(target) is not dict:
            raise Refusal(f"sets the state of {kind(target)}", DISTRUST)

    def refer(self, saved: object) -> object:
        """Take a tensor's data from where the file keeps them."""
        if self.storages is None or type(saved) is not tuple or not saved:
            raise Refusal("refers to an object outside itself", DISTRUST)
        if type(saved[0]) is str and saved[0] == "module" and len(saved) == 4:
            return saved[1]  # a class; its source, which follows, is of no use here
        return self.storages.refer(saved)


HERE: dict[tuple[str, str], Callable[..., object]] = {
    ("copyreg", "_reconstructor"): Machine.object_of,
    ("copy_reg", "_reconstructor"): Machine.object_of,
    ("torch.storage", "_load_from_bytes"): Machine.storage,
    ("torch._tensor", "_rebuild_from_type_v2"): Machine.typed,
}
LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
ACTIONS: dict[str, Callable[[Machine, Any], object]] = {
    **dict.fromkeys(LITERALS, lambda machine, value: machine.push(value)),
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, size: machine.frame(size),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.recall),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda machine, _: machine.push(machine.call(*machine.last(2)))),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.drop(),
    "POP_MARK": lambda machine, _: machine.group(),
    "DUP": lambda machine, _: machine.push(machine.top()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "LIST": lambda machine, _: machine.push(machine.group()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.group())),
    "TUPLE1": lambda machine, _: machine.push(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.last(3)),
    "DICT": lambda machine, _: machine.push(dict(pairs(machine.group()))),
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(checked_key, machine.group()))),
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.group()),
    "SETITEM": lambda machine, _: machine.update([*machine.last(2)]),
    "SETITEMS": lambda machine, _: machine.update(machine.group()),
    "ADDITEMS": lambda machine, _: machine.add(machine.group()),
    "GLOBAL": lambda machine, words: machine.name(*words.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "INST": lambda machine, words: machine.push(
        machine.call(Name(*words.split(" ", 1)), tuple(machine.group()))
    ),
    "OBJ": lambda machine, _: machine.push(machine.call_first(*machine.group())),
    "NEWOBJ_EX": lambda machine, _: machine.push(machine.with_words(*machine.last(3))),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.push(machine.refer(machine.pop())),
}


def _check_tree(root: object) -> None:
    """Refuse containers that contain themselves, nest too deep or hold too much."""
    done: dict[int, tuple[int, int]] = {}  # depth and number of items of each container
    begun = {id(root)}
    path = [(root, _containers(root))]
    while path:
        if len(path) > MAX_DEPTH:
            raise Refusal(f"nests containers more than {MAX_DEPTH} deep", DISTRUST)
        value, left = path[-1]
        if not left:
            path.pop()
            done[id(value)] = _measure(value, [done[id(child)] for child in _containers(value)])
            continue
        child = left.pop()
        if id(child) not in done:
            if id(child) in begun:
                raise Refusal("holds a container that contains itself", DISTRUST)
            begun.add(id(child))
            path.append((child, _containers(child)))


def _containers(value: object) -> list:
    """Containers and records directly inside `value`."""
    parts: Any = ()
    if type(value) is dict:
        parts = value.values()
    elif type(value) in (list, tuple):
        parts = value
    elif isinstance(value, Record):
        parts = (value.args, value.state)
    return [part for part in parts if type(part) in (dict, list, tuple) or isinstance(part, Record)]


def _measure(value: object, inside: list[tuple[int, int]]) -> tuple[int, int]:
    """Depth and number of items of a container from those of the containers inside."""
    depth = 1 + max((depth for depth, _ in inside), default=0)
    items = 1 + sum(items for _, items in inside)
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        items += len(value)
    if depth > MAX_DEPTH:
        raise Refusal(f"nests containers more than {MAX_DEPTH} deep", DISTRUST)
    if items > MAX_ITEMS:
        raise Refusal(f"unfolds to more than {MAX_ITEMS} items", DISTRUST)
    return depth, items
