import pytest
import torch

from d2a_core.generator.engine import in_batches


class SmallGpu:
    """A network whose memory holds `rows` rows at a time; remembers the batches that fitted."""

    def __init__(self, rows):
        self.rows, self.fitted = rows, []

    def __call__(self, x, y):
        if len(x) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.fitted.append(len(x))
        return x + y


@pytest.mark.parametrize(
    ("rows", "batch", "fitted", "kept"),
    [
        (64, 64, [11], 64),
        (4, 8, [4, 4, 3], 4),
        (3, 64, [2, 2, 2, 2, 2, 1], 2),  # 64 is tried as 11, then 5, then 2
        (1, 1, [1] * 11, 1),
    ],
)
def test_a_full_memory_halves_the_batch_and_keeps_what_fitted(rows, batch, fitted, kept):
    network, x = SmallGpu(rows), torch.arange(11.0)
    result, last = in_batches(network, [x, 10 * x], batch=batch)
    assert torch.equal(result, 11 * x)
    assert (network.fitted, last) == (fitted, kept)


def test_a_row_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        in_batches(SmallGpu(0), [torch.ones(3), torch.ones(3)], batch=2)
