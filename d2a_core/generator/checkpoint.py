"""Our own format of a StyleGAN2 checkpoint: one safetensors file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from d2a_core.generator import stylegan2
from d2a_core.generator.stylegan2 import Architecture
from d2a_core.store import manifests, provenance, weights

State = dict[str, Tensor]

FORMAT = "d2animator StyleGAN2"
REMEDIES = ("check the path of the checkpoint", "copy or convert the checkpoint again")
KINDS = (
    "a pickle of stylegan2-ada-pytorch or of stylegan3 with config stylegan2, a TensorFlow pickle of "
    "StyleGAN2, a .pt of rosinality, pSp, e4e or BasicSR, or a file that `d2a convert` wrote"
)


@dataclass(frozen=True)
class Checkpoint:
    """A generator at rest: `state` has NVIDIA's names, float32; `origin` tells where it came from.

    `origin` holds the name, format and sha256 of the original file, and the class if one was folded in;
    `notes` say what was left of that file and what was made up for.
    """

    architecture: Architecture
    state: State
    origin: dict[str, Any]
    notes: tuple[str, ...] = ()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it; it may hold values of any type and shape."""
    try:
        yield
    except manifests.DAMAGE as error:
        if isinstance(error, ValueError) and "; " in str(error):  # others are Python's, without a remedy
            raise ValueError(f"{path}: {printable(error)}") from error
        raise ValueError(f"{path} is not built like a StyleGAN2 checkpoint; give {KINDS}") from error


def printable(sentence: object) -> str:
    """A sentence with names from a file: what a terminal would obey is shown as an escape."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(sentence)
    )


def save(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint as safetensors, its architecture and origin in the metadata."""
    metadata = provenance.provenance(
        format=FORMAT, architecture=checkpoint.architecture.plain(), origin=checkpoint.origin
    )
    weights.write_safetensors(checkpoint.state, path, metadata=metadata)


def load(path: Path) -> Checkpoint:
    """Read what `save` wrote. Raises ValueError for another file."""
    return parse(path, *weights.read_safetensors(path, REMEDIES))


def parse(path: Path, state: State, metadata: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint at `path` from its tensors and metadata; raises ValueError where they do not fit."""
    with naming(path):
        if metadata.get("format") != FORMAT:
            raise ValueError("it does not say what network it holds; run `d2a convert` on the original")
        architecture = Architecture.parse(metadata["architecture"])
        stylegan2.check(architecture, state)
        return Checkpoint(architecture, state, dict(metadata["origin"]))
