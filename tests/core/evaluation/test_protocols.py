import collections

import pytest

from d2a_core.evaluation import protocols
from d2a_core.evaluation.protocols import CROSS, FINETUNING, HELD_OUT, SELF, SEQUENCE

OWN_TARGETS = [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4), (1, 5)]
OPTIONS = protocols.Options(pairs=6, sources=2, frames=3, finetuned=2, seed=5)


def test_every_protocol_has_its_pairs_and_no_source_is_a_target():
    pairs = protocols.draw({HELD_OUT: 6, "celeba": 4}, ["talk", "nod"], OPTIONS)
    count = collections.Counter((pair.protocol, pair.dataset) for pair in pairs)
    assert count == {
        (CROSS, HELD_OUT): 6,
        (SELF, HELD_OUT): 6,
        (FINETUNING, HELD_OUT): 6,
        (CROSS, "celeba"): 4,
        **{(SEQUENCE, f"{faces} × {clip}"): 6 for faces in (HELD_OUT, "celeba") for clip in ("talk", "nod")},
    }
    assert not {pair.source_image for pair in pairs} & {pair.target_image for pair in pairs}
    assert [pair.target[1:] for pair in pairs if pair.protocol == SELF] == [f"{n:05d}" for n in range(6)]


def test_fine_tuning_gives_each_source_targets_of_its_own():
    pairs = [pair for pair in protocols.draw({HELD_OUT: 6}, [], OPTIONS) if pair.protocol == FINETUNING]
    assert [(pair.source, pair.target) for pair in pairs] == [
        (f"s{source:05d}", f"t{target:05d}") for source, target in OWN_TARGETS
    ]


def test_the_table_numbers_the_pairs_and_names_the_clip_frames():
    columns = protocols.columns(protocols.draw({HELD_OUT: 6}, ["talk"], OPTIONS))
    assert columns["pair"] == list(range(len(columns["pair"])))
    last = columns["protocol"].index(SEQUENCE) + 5
    assert (columns["source"][last], columns["clip"][last], columns["frame"][last]) == ("s00001", "talk", 2)
    assert columns["target_image"][last] == "results/evaluation/faces/talk/f00002.png"


def test_photos_have_one_role_each_and_the_seed_decides(tmp_path):
    for number in range(10):
        folder = tmp_path / f"{number // 5:05d}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").touch()
    (tmp_path / "readme.txt").touch()
    chosen = protocols.choose_photos(tmp_path, OPTIONS)
    assert sorted(chosen) == [f"{kind}{n:05d}" for kind in "rst" for n in range(3)]
    assert len(set(chosen.values())) == 9
    assert chosen == protocols.choose_photos(tmp_path, OPTIONS)
    other = protocols.Options(pairs=6, sources=2, frames=3, finetuned=2, seed=6)
    assert chosen != protocols.choose_photos(tmp_path, other)


def test_voxceleb_gives_one_clip_a_person(tmp_path):
    for person in ("id1", "id2"):
        for clip in ("a", "b"):
            (tmp_path / person / "video").mkdir(parents=True, exist_ok=True)
            (tmp_path / person / "video" / f"{clip}.mp4").touch()
    chosen = protocols.choose_clips(tmp_path, OPTIONS)
    assert [path.split("/")[-3] for path in chosen] == ["id1", "id2"]


def test_a_folder_that_is_missing_or_empty_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="does not exist; check its path"):
        protocols.choose_photos(tmp_path / "none", OPTIONS)
    with pytest.raises(ValueError, match="holds no clips"):
        protocols.choose_clips(tmp_path, OPTIONS)
    (tmp_path / "one.jpg").touch()
    with pytest.raises(ValueError, match="holds 1 photos; sources, targets and references need three"):
        protocols.choose_photos(tmp_path, OPTIONS)
