"""Rebuild the few values of untrusted checkpoints that are more than records: arrays and tensors.

Every function takes the file's budget and the arguments as the file has them: of any type and size.
"""

import math
import re
from collections.abc import Callable
from operator import methodcaller

import numpy as np
import torch
from torch import Tensor

from d2a_core.generator.unpickling.archives import Archive
from d2a_core.generator.unpickling.untrusted import (
    AGAIN,
    DISTRUST,
    Budget,
    Name,
    Reader,
    Record,
    Refusal,
    checked_key,
    is_bytes,
    is_one_of,
    is_shape,
    is_size,
    kind,
    pairs,
)

NUMERIC = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")
LATIN = ("latin1", "latin-1")
STORAGES = {
    **{"DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32},
    **{"ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8},
    **{"BoolStorage": torch.bool, "UntypedStorage": torch.uint8},
}


class ArchiveStorages(dict):
    """The tensors' data of a zip archive, each read when it is first referred to."""

    def __init__(self, archive: Archive, budget: Budget) -> None:
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
        return _same(self[key], dtype, size)


class StreamStorages(dict):
    """The tensors' data of a stream, which follow after all that refers to them."""

    def __init__(self, reader: Reader, budget: Budget) -> None:
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
        row = _same(self[key], dtype, size)
        if len(saved) < 6 or saved[5] is None:
            return row
        view = saved[5]
        if type(view) is not tuple or len(view) != 3 or not is_shape(view[1:]) or sum(view[1:]) > count:
            raise Refusal("has a view beyond its data", DISTRUST)
        return row[view[1] : view[1] + view[2]]

    def fill(self, keys: object) -> None:
        """Read the data of `keys`, which have to be all that were referred to."""
        if (
            type(keys) is not list
            or any(type(key) is not str for key in keys)
            or sorted(keys) != sorted(self)
        ):
            raise Refusal("lists other tensors than it uses", AGAIN)
        for key in keys:
            self.reader.limit = None
            if int.from_bytes(self.reader.read(8), "little") != self[key].numel():
                raise Refusal("gives a tensor another size than it has announced", AGAIN)
            self.reader.fill(self.buffers.pop(key))


def _storage_facts(saved: tuple) -> tuple[torch.dtype, str, int, int]:
    """Type, key, number of elements and of bytes of the storage that a file refers to."""
    if len(saved) not in (5, 6) or type(saved[0]) is not str or saved[0] != "storage":
        raise Refusal("refers to something that is no tensor", DISTRUST)
    name, key, count = saved[1], saved[2], saved[4]
    if type(name) is not Name or not name.module.startswith("torch") or name.name not in STORAGES:
        raise Refusal(f"holds a tensor of the unknown type {kind(name)}", "save it as float32")
    if type(key) is not str or not is_shape((count,)):
        raise Refusal("refers to a tensor without a key or size", DISTRUST)
    dtype = STORAGES[name.name]
    return dtype, key, count, count * dtype.itemsize


def _as_tensor(buffer: bytearray, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(buffer, dtype=dtype) if buffer else torch.empty(0, dtype=dtype)


def _same(row: Tensor, dtype: torch.dtype, size: int) -> Tensor:
    if row.dtype != dtype or row.nbytes != size:
        raise Refusal("takes the same data as two types or sizes", DISTRUST)
    return row


def tensor(
    budget: Budget, storage: object, first: object, shape: object, strides: object, *_: object
) -> Tensor:
    """A tensor on its data, which it may neither leave nor repeat."""
    if not isinstance(storage, Tensor) or storage.ndim != 1 or not storage.is_contiguous():
        raise Refusal(f"holds a tensor on {kind(storage)}", DISTRUST)
    if not (is_size(first) and is_shape(shape) and is_shape(strides)) or len(shape) != len(strides):
        raise Refusal("holds a tensor without a shape", DISTRUST)
    count = math.prod(shape)
    reach = sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if count and (first + reach >= len(storage) or count > len(storage)):
        raise Refusal(f"has a tensor of shape {shape} beyond its {len(storage)} values", DISTRUST)
    budget.show(count * storage.itemsize)
    if not count:
        return storage.new_empty(shape)
    return storage.as_strided(shape, strides, storage.storage_offset() + first)


def parameter(_: Budget, data: object, *_rest: object) -> Tensor:
    """A parameter as its tensor."""
    if not isinstance(data, Tensor):
        raise Refusal(f"makes a parameter of {kind(data)}", DISTRUST)
    return data


def number_type(_: Budget, code: object, *_rest: object) -> object:
    """The dtype of numbers; one that can hold more stays a record."""
    if type(code) is str and NUMERIC.fullmatch(code):
        return np.dtype(code, False, True)  # a copy, because `set_byte_order` changes it
    return Record("numpy", "dtype", (code,))


def set_byte_order(dtype: np.dtype, state: object) -> None:
    """Give a number type its state."""
    if type(state) is not tuple or len(state) < 5 or type(state[1]) is not str or state[1] not in "<>|=":
        raise Refusal("holds a number type that NumPy has not written", DISTRUST)
    methodcaller("__setstate__", (3, state[1], None, None, None, -1, -1, 0))(dtype)  # in place


def empty_array(_: Budget, *_rest: object) -> np.ndarray:
    """An array that `fill_array` fills."""
    return np.empty(0)


def fill_array(budget: Budget, array: np.ndarray, state: object) -> None:
    """Give an array that is still empty its state."""
    if array.shape != (0,) or type(state) is not tuple or len(state) != 5:
        raise Refusal("holds an array that NumPy has not written", DISTRUST)
    _, shape, dtype, fortran, data = state
    data, dtype, shape = _checked(budget, data, dtype, shape)
    methodcaller("__setstate__", (1, shape, dtype, fortran is True, bytes(data)))(array)  # in place


def array_from_buffer(
    budget: Budget, data: object, dtype: object, shape: object, order: object
) -> np.ndarray:
    """An array as protocol 5 writes it."""
    numbers, kind_of, sides = _checked(budget, data, dtype, shape)
    by_columns = type(order) is str and order == "F"
    return np.frombuffer(numbers, kind_of).reshape(sides, order="F" if by_columns else "C").copy("K")


def scalar(budget: Budget, dtype: object, data: object) -> object:
    """A NumPy number as a Python one."""
    numbers, kind_of, _ = _checked(budget, data, dtype, ())
    return np.frombuffer(numbers, kind_of)[0].item()


def _checked(
    budget: Budget, data: object, dtype: object, shape: object
) -> tuple[bytes | bytearray, np.dtype, tuple[int, ...]]:
    """Return data, type and shape of an array of numbers, if they are just as many as its shape says."""
    if not isinstance(dtype, np.dtype):
        raise Refusal("holds an array that is not of numbers", "save it without that array")
    if type(data) is str:  # from Python 2
        data = data.encode("latin-1")
    if not is_shape(shape) or not is_bytes(data):
        raise Refusal("holds an array without a shape or data", DISTRUST)
    if math.prod(shape) * dtype.itemsize != len(data):
        raise Refusal(f"declares an array of another size than its {len(data)} bytes", AGAIN)
    budget.show(len(data))
    budget.spend(len(data))
    return data, dtype, shape


def dictionary(budget: Budget, items: object = (), *_: object) -> dict:
    """An ordered or attribute dictionary as a plain one."""
    if isinstance(items, Record):  # the factory of a defaultdict
        items = ()
    if not is_one_of(items, dict, list, tuple):
        raise Refusal(f"makes a dictionary of {kind(items)}", DISTRUST)
    budget.step(len(items))
    if type(items) is dict:
        return dict(items)
    if not all(is_one_of(pair, tuple, list) and len(pair) == 2 for pair in items):
        raise Refusal("makes a dictionary of what are no pairs", DISTRUST)
    return dict(pairs([part for pair in items for part in pair]))


def row_of(wanted: type, budget: Budget, items: object = ()) -> object:
    """A list, tuple or set of the items of another."""
    if not is_one_of(items, list, tuple, set, frozenset):
        raise Refusal(f"makes a {wanted.__name__} of {kind(items)}", DISTRUST)
    budget.step(len(items))
    return wanted(map(checked_key, items)) if wanted in (set, frozenset) else wanted(items)


def raw_bytes(budget: Budget, data: object = b"", encoding: object = "latin1") -> bytes:
    """Bytes that an old protocol has written as text."""
    if not (type(data) is str or is_bytes(data)) or type(encoding) is not str or encoding not in LATIN:
        raise Refusal(f"makes bytes of {kind(data)}", DISTRUST)
    budget.spend(len(data))
    return data.encode("latin-1") if isinstance(data, str) else bytes(data)


def raw_bytearray(budget: Budget, data: object = b"", encoding: object = "latin1") -> bytearray:
    """The same as a bytearray."""
    return bytearray(raw_bytes(budget, data, encoding))


def _known() -> dict[tuple[str, str], Callable[..., object]]:
    known: dict[tuple[str, str], Callable[..., object]] = {
        ("_codecs", "encode"): raw_bytes,
        ("collections", "OrderedDict"): dictionary,
        ("collections", "defaultdict"): dictionary,
        ("torch", "Size"): _row_maker(tuple),
        ("torch._utils", "_rebuild_tensor"): tensor,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): parameter,
        ("numpy", "dtype"): number_type,
    }
    for module in ("builtins", "__builtin__"):
        known |= {(module, wanted.__name__): _row_maker(wanted) for wanted in (list, tuple, set, frozenset)}
        known[module, "dict"] = dictionary
        known[module, "bytes"] = raw_bytes
        known[module, "bytearray"] = raw_bytearray
    for core in ("numpy.core", "numpy._core"):
        known[f"{core}.multiarray", "_reconstruct"] = empty_array
        known[f"{core}.multiarray", "scalar"] = scalar
        known[f"{core}.numeric", "_frombuffer"] = array_from_buffer
    return known


def _row_maker(wanted: type) -> Callable[..., object]:
    return lambda budget, *args: row_of(wanted, budget, *args)


KNOWN = _known()  # what may be rebuilt, under every name it has had
