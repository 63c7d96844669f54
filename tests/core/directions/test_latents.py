import numpy as np
import pytest
from flat_generator import Flat

from d2a_core.directions import latents


def _sample(shard, seed=0):
    return latents.sample(Flat(), shard=shard, count=5, seed=seed, size=4)


def test_samples_repeat_by_seed_and_id_and_others_differ():
    first = _sample(3)
    assert all(np.array_equal(first[name], _sample(3)[name]) for name in first)
    assert not np.array_equal(first["z"], _sample(4)["z"])
    assert not np.array_equal(first["z"], _sample(3, seed=1)["z"])


def test_other_shards_hold_the_same_samples():
    small = [latents.sample(Flat(), shard=shard, count=5, seed=0, size=4) for shard in range(6)]
    large = [latents.sample(Flat(), shard=shard, count=15, seed=0, size=4) for shard in range(2)]
    for name in small[0]:
        np.testing.assert_array_equal(
            *(np.concatenate([arrays[name] for arrays in cut]) for cut in (small, large))
        )


def test_ids_count_on_over_the_shards_and_images_show_their_latent():
    arrays = _sample(2)
    assert arrays["sample_id"].tolist() == [10, 11, 12, 13, 14]
    assert np.allclose(arrays["w"], 0.1 * arrays["z"] + 1)
    assert arrays["image"].shape == (5, 4, 4, 3) and arrays["image"].dtype == np.uint8
    shade = (arrays["w"][:, 0].clip(0, 2) * 127.5).round()
    assert np.abs(arrays["image"][:, 0, 0, 0] - shade).max() <= 1


def test_a_real_sample_has_the_same_bits_in_any_shard(load_faces):
    generator = load_faces(threads=2)
    generator.batch = 2
    both = latents.sample(generator, shard=0, count=2, seed=0, size=generator.resolution)
    alone = latents.sample(generator, shard=1, count=1, seed=0, size=generator.resolution)
    for name in both:
        np.testing.assert_array_equal(both[name][1:], alone[name])


@pytest.mark.parametrize(("keep_images", "moved"), [(True, set()), (False, {"image"})])
def test_images_that_do_not_stay_pass_in_a_store_of_their_own(keep_images, moved):
    arrays = _sample(0)
    staying, passing = latents.parted(arrays, keep_images=keep_images)
    assert set(staying) == {"sample_id", "z", "w", "image"} - moved
    assert set(passing) == {"sample_id"} | moved
    assert all(arrays[name] is array for part in (staying, passing) for name, array in part.items())
