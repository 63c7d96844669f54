"""Small checkpoints in the structure of genuine ones, written by the libraries that write those.

The classes that such files name exist only while they are written.
"""

import argparse
import collections
import io
import pickle
import sys
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import torch

SOURCE = "raise SystemExit('the source that a checkpoint carries was run')\n"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@contextmanager
def modules(**classes):
    """Let modules exist that hold `classes`, given as module__name=class, inside the block."""
    made = {}
    for place, thing in classes.items():
        module, name = place.rsplit("__", 1)
        module = module.replace("__", ".")
        for end in range(1, module.count(".") + 2):
            part = ".".join(module.split(".")[:end])
            made.setdefault(part, ModuleType(part))
        thing.__module__, thing.__qualname__ = module, name
        setattr(made[module], name, thing)
    assert not set(made) & set(sys.modules)
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


class EasyDict(dict):
    pass


class Network:
    """Pickle of stylegan2 for TensorFlow."""

    def __init__(self, **state):
        self.state = state

    def __getstate__(self):
        return self.state


def rebuild(meta):
    raise SystemExit("the checkpoint was run")


class Persistent:
    """Class as `torch_utils.persistence` makes those of stylegan2-ada-pytorch and stylegan3."""

    def __init__(self, name, state):
        self.name = name
        self.state = state

    def __reduce__(self):
        facts = {
            "type": "class",
            "version": 6,
            "module_src": SOURCE,
            "class_name": self.name,
            "state": self.state,
        }
        return rebuild, (facts,), None


def weights(seed=0):
    """Tensors of the kinds that checkpoints have, by their names."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(4, 3, 3, 3, generator=generator),
        "half": torch.randn(5, generator=generator).half(),
        "strided": torch.randn(2, 6, generator=generator).t(),
        "part": torch.randn(9, generator=generator)[2:7],
        "count": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "mask": torch.tensor([True, False]),
    }


def nvidia(protocol=4):
    """A snapshot of stylegan2-ada-pytorch: persistent modules, tensors as files within the pickle."""
    with modules(torch_utils__persistence__rebuild=rebuild, dnnlib__util__EasyDict=EasyDict):
        sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj = rebuild
        rebuild.__qualname__ = rebuild.__name__ = "_reconstruct_persistent_obj"
        layer = Persistent(
            "FullyConnectedLayer",
            {
                "training": False,
                "_parameters": collections.OrderedDict(
                    (name, torch.nn.Parameter(tensor, requires_grad=False))
                    for name, tensor in weights().items()
                ),
                "_buffers": collections.OrderedDict(gain=torch.ones([])),
                "_non_persistent_buffers_set": {"gain"},
                "_modules": collections.OrderedDict(),
            },
        )
        options = EasyDict(num_layers=8, lr=np.float64(0.5), noise=None)
        root = Persistent(
            "Generator", {"_modules": collections.OrderedDict(fc=layer), "_init_kwargs": options}
        )
        return pickle.dumps({"G": root, "G_ema": root, "augment_pipe": None}, protocol=protocol)


def tensorflow(protocol=4):
    """The three networks of stylegan2 for TensorFlow."""
    with modules(dnnlib__tflib__network__Network=Network):
        part = Network(version=4, name="G_mapping", components={}, variables=arrays())
        networks = [
            Network(
                version=4,
                name=name,
                static_kwargs={"resolution": 64, "fmap_base": 16384},
                components={"mapping": part},
                build_module_src=SOURCE,
                build_func_name="G_main",
                variables=arrays(),
            )
            for name in ("G", "D", "Gs")
        ]
        return pickle.dumps(tuple(networks), protocol=protocol)


def arrays():
    """Pairs of names and arrays of the kinds that checkpoints have."""
    rng = np.random.default_rng(0)
    return [
        ("Dense0/weight", rng.normal(size=(4, 5)).astype(np.float32)),
        ("fortran", np.asfortranarray(rng.normal(size=(3, 4)))),
        ("swapped", rng.normal(size=3).astype(">f4")),
        ("lod", np.float32(0)),
        ("step", np.array(7)),
        ("mask", np.array([True, False])),
    ]


def rosinality(*, archive=True):
    """A checkpoint of stylegan2-pytorch, as a zip archive or as older versions of PyTorch wrote it."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    torch.nn.init.constant_(model[0].weight, 0.25)
    shared = torch.arange(6.0)
    state = {
        "g_ema": model.state_dict(),
        "latent_avg": shared[1:4],
        "same": shared,
        "args": argparse.Namespace(size=64, path="x"),
        "optim": torch.optim.Adam(model.parameters()).state_dict(),
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
        **weights(),
    }
    sink = io.BytesIO()
    torch.save(state, sink, _use_new_zipfile_serialization=archive)
    return sink.getvalue()


WRITERS = {
    "nvidia.pkl": nvidia,
    "tensorflow.pkl": tensorflow,
    "archive.pt": rosinality,
    "legacy.pt": lambda: rosinality(archive=False),
}
