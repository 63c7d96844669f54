import numpy as np
from counting import Count
from picture_world import FACES, PAIRS

from d2a_core.config import BASELINES
from d2a_core.evaluation import baselines
from d2a_core.media import images


def test_baselines_are_the_source_the_target_and_noise():
    one, other = PAIRS[:2]
    source, target, noise = (baselines.baseline(name, one, FACES.__getitem__) for name in BASELINES)
    assert source is FACES[one.source_image] and target is FACES[one.target_image]
    assert 120 < noise.mean() < 135
    assert not np.array_equal(noise, baselines.baseline(BASELINES[2], other, FACES.__getitem__))


def test_each_baseline_has_a_folder_with_a_picture_for_every_pair(tmp_path, monkeypatch):
    monkeypatch.setattr(baselines.images, "read_image", FACES.__getitem__)
    folders, count = {name: tmp_path / name for name in BASELINES}, Count()
    baselines.keep(folders, PAIRS, count)
    monkeypatch.undo()
    assert count.done == 3 * len(PAIRS)
    for folder in folders.values():
        assert sorted(path.name for path in folder.glob("*.png")) == [f"{n:05d}.png" for n in range(4)]
    read = images.read_image(folders["control-target"] / "00002.png")
    np.testing.assert_array_equal(read, FACES[PAIRS[2].target_image])
