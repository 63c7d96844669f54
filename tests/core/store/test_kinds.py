import pytest

from d2a_core.store.kinds import KINDS, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("results/latents/00000.zarr", "store"),
        ("me.JPG", "picture"),
        ("talk.M4V", "video"),
        ("wave.gif", "video"),
        ("base.pth", "checkpoint"),
        ("seed:21", None),
        ("table.xls", None),
    ],
)
def test_the_kind_of_a_file_follows_from_the_end_of_its_name(path, kind):
    assert kind_of(path) == kind


def test_every_suffix_has_one_kind():
    suffixes = [suffix for kind in KINDS.values() for suffix in kind]
    assert len(suffixes) == len(set(suffixes))
