import sys

from d2a_core.evaluation import inception_metrics


def test_module_is_the_one_that_python_imports():
    assert inception_metrics.module("metric_kid") is sys.modules["torch_fidelity.metric_kid"]
