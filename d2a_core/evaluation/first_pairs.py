"""The first held-out pairs, in one process and in memory: a quick look at the evaluation."""

from functools import partial

import pyarrow

from d2a_core.config import BASELINES, HELD_OUT, MAIN
from d2a_core.evaluation import baselines, face_table, own_results, pair_sheet, protocols
from d2a_core.evaluation.held_out import HeldOut
from d2a_core.evaluation.instruments import Instruments
from d2a_core.evaluation.protocols import NO_PASSES, Pair
from d2a_core.evaluation.results import Find, Picture
from d2a_core.evaluation.scores import Judge
from d2a_core.fan.closed_loop import Animator
from d2a_core.runtime import Progress

KINDS = "st"  # of faces that are rendered: sources and targets


def evaluate(
    animator: Animator, eyes: Instruments, drawn: HeldOut, *, passes: int, progress: Progress
) -> tuple[pyarrow.Table, Picture]:
    """Scores of the main method and of the baselines on the sources and targets of `drawn`, and their sheet.

    They are what the whole evaluation says of the same pairs: pictures are written there without loss.
    """
    faces = progress.over(drawn.pictures(animator.generator, KINDS))
    pictures = {protocols.image_path(HELD_OUT, name): picture for name, picture in faces}
    known = face_table.known(pyarrow.table(face_table.look(pictures.items(), eyes)))
    pairs = protocols.cross(HELD_OUT, len(drawn.source))
    codes = {HELD_OUT: drawn.arrays()}
    results = own_results.animate(
        animator, [animator.fan], pairs, codes, known, passes=passes, progress=progress
    )
    made = {(result.pair, result.passes): result.image for result in results}

    def find(pair: Pair, number: int) -> Picture:
        return made[pair.number, number]

    def wrong(pair: Pair, number: int, name: str) -> Picture:
        return baselines.baseline(name, pair, pictures.__getitem__)

    judge = Judge(known, pictures.__getitem__, eyes)
    others: dict[str, Find] = {name: partial(wrong, name=name) for name in BASELINES}
    scores = [
        judge.score(pairs, {MAIN: find}, passes=range(passes + 1)),
        judge.score(pairs, others, passes=[NO_PASSES]),
    ]
    sheet = pair_sheet.sheet(pairs, pictures.__getitem__, find, passes=passes)
    return pyarrow.concat_tables(scores), sheet


def renders(pairs: int, passes: int) -> int:
    """Pictures that `evaluate` renders."""
    return pairs * (len(KINDS) + passes + 1)
