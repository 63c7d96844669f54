import copy
import hashlib
import json

import pytest
import yaml
from tiny_project import ROOT

from d2a_core.config import merged
from d2a_core.fan import origins

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
URL = {"url": "https://example.org/fan/faces.safetensors?download=1", "sha256": "ab" * 32}


@pytest.fixture
def find(tmp_path):
    """Finds the origin for an overlay of the config, in a project with a bundle."""
    root, work = tmp_path / "project", tmp_path / "work"
    (root / "bundle").mkdir(parents=True)
    (root / origins.DEFAULTS).write_text(json.dumps(origins.defaults(CONFIG)))
    (root / origins.BUNDLE).write_bytes(b"distilled")
    (work / "results").mkdir(parents=True)

    def find(**overlay):
        return origins.find(merged(copy.deepcopy(CONFIG), overlay), root, work)

    return find


def test_a_config_of_which_nothing_was_changed_is_that_of_the_bundle(find):
    origin = find()
    assert origin.bundle.endswith("bundle/mobilestylegan-ffhq.safetensors")
    assert origin.sha256 == hashlib.sha256(b"distilled").hexdigest()
    assert (origin.folder, origin.weights) == ("results/bundle", "bundle")
    changed = find(
        animations={"refinements": 3},
        latents={"keep_images": False},
        directions={"gallery": {"rows": 2}},
        sources=[],
    )
    assert changed.bundle == origin.bundle  # FAN does not come of these


@pytest.mark.parametrize(
    ("overlay", "why"),
    [
        ({"clusters": {"seed": 1}}, "clusters.seed is not as it was for the bundle"),
        ({"latents": {"samples": 600}}, "latents.samples"),
        ({"directions": {"method": "sefa"}}, "directions.method"),
        ({"fan": {"image": {"samples": 12}}}, "fan.image"),
        ({"goals": {"faces": 12}}, "goals.faces"),
        ({"landmarks": {"min_score": 0.9}}, "landmarks.min_score"),
        ({"encoder": {"views": 1}}, "encoder.views"),
        ({"generator": {"draft_size": 128}}, "generator.draft_size"),
        ({"generator": {"name": "faces.pkl"}}, "another generator, mobilestylegan-ffhq"),
        ({"animations": {"fan": "groups"}}, "animations.fan is groups"),
    ],
)
def test_who_changes_how_fan_is_made_gets_it_trained(find, overlay, why):
    origin = find(**overlay)
    assert (origin.bundle, origin.folder, origin.weights) == (None, "results", "train")
    assert why in origin.sentence and "trained here" in origin.sentence


def test_the_config_of_the_project_is_that_of_its_bundle():
    """Else no one's config would be, and each would have FAN trained: `make bundle` is due."""
    assert json.loads((ROOT / origins.DEFAULTS).read_text()) == origins.defaults(CONFIG)


def test_where_no_bundle_is_it_is_trained_unless_the_bundle_was_asked_for(find, tmp_path):
    (tmp_path / "project" / origins.BUNDLE).unlink()
    assert "there is no bundle/mobilestylegan-ffhq.safetensors" in find().sentence
    with pytest.raises(ValueError, match=r"^config: fan.weights stands for the file .*, which is not there"):
        find(fan={"weights": "bundle"})


def test_the_bundle_is_refused_by_name_for_another_generator(find):
    with pytest.raises(
        ValueError, match="bundle, which was distilled from mobilestylegan-ffhq, but .*'faces"
    ):
        find(fan={"weights": "bundle"}, generator={"name": "faces.pkl"})
    # who has it asked for by name keeps it, whatever else is changed
    assert find(fan={"weights": "bundle"}, clusters={"seed": 1}).weights == "bundle"


def test_a_bundle_of_ones_own_is_a_file_or_a_download(find, tmp_path):
    (tmp_path / "work" / "mine.safetensors").write_bytes(b"mine")
    own = find(fan={"weights": "mine.safetensors"}, generator={"name": "faces.pkl"})
    assert (own.bundle, own.sha256) == ("mine.safetensors", hashlib.sha256(b"mine").hexdigest())
    assert origins.file_of(tmp_path / "work" / own.bundle).read_bytes() == b"mine"
    fetched = find(fan={"weights": URL})
    assert (fetched.bundle, fetched.sha256) == ("data/assets/fan-weights", URL["sha256"])
    asset = origins.downloads(merged(CONFIG, {"fan": {"weights": URL}}))["fan-weights"]
    assert (asset.origin, asset.sha256, asset.members) == (
        URL["url"],
        URL["sha256"],
        (("", "bundle.safetensors"),),
    )
    (tmp_path / "fan-weights").mkdir()
    assert origins.file_of(tmp_path / "fan-weights").name == "bundle.safetensors"
    assert origins.downloads(CONFIG) == {}


def test_what_is_no_bundle_is_named(find):
    with pytest.raises(ValueError, match="fan.weights is 'yes'; choose auto, bundle, train, or a file"):
        find(fan={"weights": "yes"})
    with pytest.raises(ValueError, match="fan.weights is bundle, but animations.fan is groups"):
        find(fan={"weights": "bundle"}, animations={"fan": "groups"})
