from dataclasses import replace

import numpy as np
import pytest

from d2a_core.evaluation import found_results
from d2a_core.evaluation.protocols import Pair
from d2a_core.media import images, video_writing

PAIR = Pair(7, "sequence-driving", "held-out × talk", "s00001", "f00001", "s.png", "f.png", "talk", 1)


def _flat(value, side=16):
    return np.full((side, side, 3), value, np.uint8)


def test_a_picture_of_any_kind_is_found_by_the_number_of_its_pair(tmp_path):
    images.write_image(_flat(9), tmp_path / "00007.png")
    images.write_image(_flat(5), tmp_path / "1" / "00007.png")
    find = found_results.finder(tmp_path, frames=4)
    assert find(PAIR, -1).mean() == 9 and find(PAIR, 1).mean() == 5
    assert find(replace(PAIR, number=8, clip=""), -1) is None


def test_a_video_gives_the_frame_of_the_clip_that_drives(tmp_path):
    frames = [_flat(20 * number, side=64) for number in range(12)]
    video_writing.write_frames(iter(frames), tmp_path / "s00001--talk.mp4", rate=25, metadata={})
    find = found_results.finder(tmp_path, frames=4)
    shown = [round(find(replace(PAIR, frame=frame), -1).mean() / 20) for frame in range(4)]
    assert shown == [1, 4, 7, 10]  # the middles of four equal parts


def test_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="evaluation.external names the folder .*none, which does not exist"):
        found_results.finder(tmp_path / "none", frames=4)
