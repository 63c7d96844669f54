"""The network that FID, KID and the Inception score are defined on, and its features of pictures.

Szegedy et al., "Rethinking the Inception Architecture" (CVPR 2016), with the TensorFlow weights of 2015-12-05
that Heusel et al. (2017) used, as ported by torch-fidelity (Obukhov et al., 2020): any other port or resize
gives other figures. Its package imports torchvision at once, for data sets and extractors that are not used
here. A torchvision wheel only loads beside the very build of torch it was made for, which differs between
machines, so an empty one stands in for it during the import.
"""

import functools
import importlib
import io as memory
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from d2a_core import runtime
from d2a_core.store import optional_weights, weights

OUTPUTS = ["2048", "logits_unbiased"]  # torch-fidelity's names
WIDTHS = (2048, 1008)  # of the outputs
BATCH = 16  # images of 1024 px take 0.5 GB together with the largest maps

STAND_INS = (
    "torchvision",
    "torchvision.datasets",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)
DATASETS = ("CIFAR10", "CIFAR100", "STL10")  # torch-fidelity derives classes from them


def load(path: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """The network with the weights in the file `path`; raises ValueError when they are not its weights."""
    extractor = fidelity_module("feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    try:
        # torch-fidelity unpickles what it is given, code included, so it gets these tensors and no file
        tensors = memory.BytesIO()
        torch.save(weights.read_checkpoint(path), tensors)
        tensors.seek(0)
        network = extractor("inception-v3-compat", OUTPUTS, feature_extractor_weights_path=tensors)
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:  # unreadable, or not them
        raise ValueError(
            f"{path} is missing or does not hold the Inception weights of torch-fidelity; put there what "
            f"{optional_weights.KNOWN['torch-fidelity']['url']} gives"
        ) from error
    return network.to(device)


def features(
    images: Iterable[NDArray[np.uint8]], network: nn.Module, progress: runtime.Progress | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features `pool3` [N, 2048] and `logits_unbiased` [N, 1008] of RGB images u1 [H, W, 3].

    The network scales images of any size to 299 px as TensorFlow 1 did. BATCH of them are in memory at a
    time; the logits lack the last layer's bias, as the Inception score expects.
    """
    device = next(network.parameters()).device
    found = [tuple(np.empty((0, width), np.float32) for width in WIDTHS)]
    with torch.inference_mode():
        for batch in _batches(images):
            tensor = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).to(device)
            found.append(tuple(output.cpu().numpy() for output in network(tensor)))
            if progress is not None:
                progress.advance(len(batch))
    pool3, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return pool3, logits


def _batches(images: Iterable[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    """Runs of at most BATCH images of one size."""
    batch: list[NDArray[np.uint8]] = []
    for image in images:
        if batch and (len(batch) == BATCH or image.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch


@functools.cache
def fidelity_module(name: str) -> ModuleType:
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
