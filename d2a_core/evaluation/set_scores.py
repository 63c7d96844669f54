"""How real the results of a method look as a set, against real pictures that no method has seen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d2a_core.evaluation import inception, protocols, realism

Picture = NDArray[np.uint8]
SEED = 0  # of KID's subsets
NOTHING = {name: float("nan") for name in ("fid", "kid", "kid_std", "is", "is_std", "is_gap")}


def measure(
    pairs: Sequence[Mapping[str, object]],
    find: Callable[..., Picture | None],
    references: Callable[[str], Iterator[Picture]],
    weights: Path | str,
    *,
    method: str,
    passes: Sequence[int],
    device: str,
    progress=None,
) -> dict[str, list]:
    """Columns of a table: a row for each number of passes, protocol and dataset; see `realism.measure`.

    `find` gives the picture of a pair, `references` the pictures `r…` of a set: of the sources' set, as many
    as sources, and disjoint from these. Where `weights` is not the path of the Inception network but the
    reason why there is none, the figures are NaN and `note` says so.
    """
    rows, known = [], {}
    network = None if isinstance(weights, str) else inception.load(weights, device)
    for number in passes:
        for protocol, dataset in dict.fromkeys((pair["protocol"], pair["dataset"]) for pair in pairs):
            chosen = [pair for pair in pairs if (pair["protocol"], pair["dataset"]) == (protocol, dataset)]
            key = {"method": method, "passes": number, "protocol": protocol, "dataset": dataset}
            if network is None:
                note = f"No FID, KID and IS: {weights.partition(' (')[0]}."  # the details are in the log
                rows.append(key | NOTHING | {"images": 0, "reference_images": 0, "note": note})
                continue
            faces = protocols.set_of(str(chosen[0]["source_image"]))
            if faces not in known:
                known[faces] = inception.features(references(faces), network)
            images = (image for pair in chosen if (image := find(pair, number)) is not None)
            rows.append(key | _figures(images, known[faces], network, progress))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _figures(images: Iterator[Picture], reference: tuple, network, progress) -> dict[str, object]:
    result = inception.features(images, network, progress)
    least = min(len(result[0]), len(reference[0]))
    if least < 2:
        counts = {"images": len(result[0]), "reference_images": len(reference[0])}
        return NOTHING | counts | {"note": f"No FID, KID and IS: {least} pictures make no distribution."}
    return realism.measure(*result, *reference, SEED)
