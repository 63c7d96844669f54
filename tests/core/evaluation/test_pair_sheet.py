import numpy as np
from picture_world import FACES, PAIRS

from d2a_core.evaluation import pair_sheet


def test_a_row_is_a_pair_and_a_column_what_became_of_it():
    def find(pair, passes):
        return np.full((64, 64, 3), 60 * passes, np.uint8)

    one = pair_sheet.sheet(PAIRS[:1], FACES.__getitem__, find, passes=1)
    two = pair_sheet.sheet(PAIRS[:2], FACES.__getitem__, find, passes=1)
    more = pair_sheet.sheet(PAIRS[:1], FACES.__getitem__, find, passes=2)
    assert two.shape[0] > one.shape[0] + 200 and two.shape[1] == one.shape[1]
    assert more.shape[1] - one.shape[1] >= pair_sheet.TILE
