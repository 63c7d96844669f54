import pytest

from d2a_core.training import rate


def test_rate_rises_then_falls_as_a_cosine():
    rates = [rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and max(rates) == rates[10]
    assert rates[50] == pytest.approx(0.5) and 0 < rates[99] < 1e-3
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))


def test_a_single_step_is_taken_at_full_rate():
    assert rate(0, 1) == pytest.approx(1 / 1.1)
