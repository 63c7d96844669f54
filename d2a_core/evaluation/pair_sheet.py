"""Show pairs beside their results."""

from collections.abc import Callable, Sequence

from d2a_core.evaluation.protocols import Pair
from d2a_core.evaluation.results import Find, Picture
from d2a_core.media import resampling, sheets

PAIRS, TILE = 12, 256  # rows of the sheet, px


def sheet(
    pairs: Sequence[Pair],
    read: Callable[[str], Picture],
    find: Find,
    *,
    passes: int,
) -> Picture:
    """The first pairs, one a row: source, target, and the result after each number of passes.

    All of them have their pictures.
    """
    captions = ["source", "target", "open loop", *(f"closed loop {n}" for n in range(1, passes + 1))]
    rows = []
    for pair in pairs[:PAIRS]:
        shown = [read(path) for path in (pair.source_image, pair.target_image)]
        shown += [image for number in range(passes + 1) if (image := find(pair, number)) is not None]
        rows.append([resampling.resize(image[None], TILE)[0] for image in shown])
    return sheets.grid(rows, captions_top=captions, title="Held-out pairs", tile=TILE)
