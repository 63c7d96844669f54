import numpy as np
import pytest

from d2a_core.store.disk_rows import Rows


def test_rows_come_back_in_the_order_that_is_asked_for():
    array = np.random.default_rng(0).normal(size=(50, 2, 3)).astype(np.float32)
    rows = Rows((2, 3))
    for part in np.split(array, [7, 8, 30]):
        rows.append(part)
    index = np.array([49, 0, 8, 8, 7])
    assert len(rows) == 50
    np.testing.assert_array_equal(rows[index], array[index])


def test_rows_keep_their_type():
    rows = Rows((3,), np.float16)
    rows.append(np.array([[1, 2, 0.1]]))
    assert rows[np.array([0])].dtype == np.float16 and rows[np.array([0])][0, 2] == np.float16(0.1)


def test_a_row_that_is_not_there_is_a_defect():
    rows = Rows((4,))
    rows.append(np.zeros((2, 4)))
    with pytest.raises(AssertionError):
        rows[np.array([2])]


def test_memory_does_not_grow_with_the_rows():
    import psutil

    rows, memory = Rows((1000,)), psutil.Process().memory_info
    rows.append(np.ones((100, 1000)))
    before = memory().rss
    for _ in range(200):  # 80 MB
        rows.append(np.ones((100, 1000), dtype=np.float32))
    for start in range(0, len(rows), 500):
        rows[np.arange(start, min(start + 500, len(rows)))]
    assert memory().rss - before < 20e6
