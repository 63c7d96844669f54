"""torch-fidelity (Obukhov et al., 2020), imported without torchvision.

Its package imports torchvision at once, for data sets and extractors that are not used here. A torchvision
wheel only loads beside the very build of torch it was made for, which differs between machines, so an empty
one stands in for it during the import.
"""

import functools
import importlib
import sys
from types import ModuleType

STAND_INS = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)
DATASETS = ("CIFAR10", "CIFAR100", "STL10")  # torch-fidelity derives classes from them


@functools.cache
def module(name: str) -> ModuleType:
    """The module `torch_fidelity.<name>`, such as `metric_kid`."""
    if "torch_fidelity" not in sys.modules and "torchvision" not in sys.modules:
        _import_without_torchvision()
    return importlib.import_module(f"torch_fidelity.{name}")


def _import_without_torchvision() -> None:
    stand_ins = {name: ModuleType(name) for name in STAND_INS}
    for name in STAND_INS[1:]:
        parent, _, child = name.rpartition(".")
        setattr(stand_ins[parent], child, stand_ins[name])
    for name in DATASETS:
        setattr(stand_ins["torchvision.datasets"], name, type(name, (), {}))
    sys.modules.update(stand_ins)
    try:
        importlib.import_module("torch_fidelity")
    finally:
        for name in STAND_INS:  # who needs the real one later, gets it or its error
            del sys.modules[name]
