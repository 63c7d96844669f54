"""Origin of an artefact, as plain JSON values."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import d2a_core

if TYPE_CHECKING:
    pass

METADATA_KEY = b"d2animator"


def provenance(**facts: object) -> dict[str, Any]:
    """Return `facts` as plain JSON values, without the None ones, plus `created_by` and `version`.

    Arrays become lists, paths text, dataclasses objects. Raises ValueError on anything else that
    JSON cannot hold, NaN included.
    """
    values: dict[str, Any] = {}
    for name, fact in facts.items():
        if fact is None:
            continue
        try:
            values[name] = json.loads(json.dumps(fact, default=plain, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the fact {name}={fact!r} is no JSON value ({error})") from error
    return values | {"created_by": "d2animator", "version": d2a_core.__version__}


def plain(value: object) -> object:
    """Turn an array, a path or a dataclass into a JSON value; raises TypeError on anything else."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not supported")
