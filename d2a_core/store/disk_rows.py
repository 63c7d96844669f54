"""Rows of numbers kept on disk: for arrays that grow with the samples and are read a batch at a time."""

import os
import tempfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Rows:
    """Arrays of one `shape` and `dtype`, in a nameless scratch file in TMPDIR that ends with the process.

    Reads leave nothing in the memory of the process; what fits stays in the system's cache of files.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._bytes = self.dtype.itemsize * int(np.prod(self.shape))
        self._file = tempfile.TemporaryFile()  # closed, and by that removed, with the last reference to it
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, rows: NDArray) -> None:
        """Add rows [n, *shape] at the end."""
        assert rows.shape[1:] == self.shape, rows.shape
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self._file.flush()
        self._count += len(rows)

    def __getitem__(self, index: NDArray) -> NDArray:
        """The rows at `index` [n]: [n, *shape]."""
        rows = np.empty((len(index), *self.shape), dtype=self.dtype)
        for row, place in zip(rows, index, strict=True):
            assert 0 <= place < self._count, place
            os.preadv(self._file.fileno(), [row], int(place) * self._bytes)
        return rows
