import subprocess
import sys

from d2a_core.evaluation import inception_metrics


def test_modules_come_without_torchvision_and_leave_no_stand_in():
    # in a process of its own: this one may have imported either before
    script = (
        "import sys\n"
        "from d2a_core import fidelity\n"
        "print(fidelity.module('metric_kid').kid_features_to_metric.__name__)\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'torchvision'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["kid_features_to_metric", "[]"]


def test_module_is_the_one_that_python_imports():
    assert inception_metrics.module("metric_kid") is sys.modules["torch_fidelity.metric_kid"]
