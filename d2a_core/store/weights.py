"""Read and write checkpoints and safetensors, and keep the state of long jobs."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d2a_core.store import atomic, manifests, provenance
from d2a_core.store.atomic import atomic_path

if TYPE_CHECKING:
    import torch


def write_checkpoint(state: dict[str, Any], path: str | Path) -> None:
    """Save state dicts and plain values, nothing that needs unpickling of code."""
    import torch

    # through a handle: given a name, torch writes that (random) name into the archive
    with atomic_path(path) as part, part.open("wb") as handle:
        torch.save(state, handle)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint to the CPU; raises ValueError when it is missing, damaged or holds code."""
    import torch

    with manifests.reading(Path(path)):
        return torch.load(path, weights_only=True, map_location="cpu")


def write_safetensors(
    tensors: Mapping[str, "torch.Tensor"], path: str | Path, *, metadata: Mapping[str, Any]
) -> None:
    """Write tensors by name; `metadata` goes in as JSON, key `d2animator`."""
    import torch
    from safetensors.torch import save_file

    whole = {  # safetensors refuses what shares its memory
        name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    # one key only: safetensors writes several in random order
    text = {provenance.METADATA_KEY.decode(): json.dumps(dict(metadata), sort_keys=True)}
    with atomic_path(path) as part:
        part.touch()  # save_file would let its owner alone read it, whatever the umask says
        rights = part.stat().st_mode
        save_file(whole, part, metadata=text)
        part.chmod(rights)


def is_safetensors(path: str | Path) -> bool:
    """Whether a file is one of safetensors, whatever its name: eight bytes of length, then JSON."""
    with Path(path).open("rb") as handle:
        head = handle.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < Path(path).stat().st_size


def read_safetensors(
    path: str | Path, remedies: tuple[str, str] = manifests.REDO
) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read what `write_safetensors` wrote, tensors and metadata; {} for metadata of another program."""
    from safetensors import SafetensorError, safe_open

    with manifests.reading(Path(path), remedies):
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get(provenance.METADATA_KEY.decode(), "{}"))
                return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(str(error)) from error


class ResumeFile:
    """State of a long job, kept outside the rule's outputs, which Snakemake deletes before a rerun.

    Its name carries a digest of `facts`: a job with other options or other inputs starts anew.
    """

    def __init__(self, folder: str | Path, facts: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        self.path = Path(folder) / f"{digest}.pt"

    def read(self) -> dict[str, Any] | None:
        """State of the last `write`, or None."""
        return read_checkpoint(self.path) if self.path.exists() else None

    def write(self, state: dict[str, Any]) -> None:
        """Replace the state, never leaving half of it."""
        write_checkpoint(state, self.path)

    def clear(self) -> None:
        """Remove the state once the job's outputs are written."""
        atomic.remove(self.path)
