from pathlib import Path

import pytest
import yaml

from d2a_core.config import check, merged, variants
from d2a_core.evaluation import ablations

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())


@pytest.mark.parametrize(
    ("overlay", "own"),
    [
        ({"clusters": {"pose_normalisation": False}}, ("clusters", "directions", "pairs", "fan")),
        ({"directions": {"method": "sefa"}}, ("directions", "pairs", "fan")),
        ({"pairs": {"per_source": 2}}, ("pairs", "fan")),
        ({"pairs": {"shards": 1}}, ("fan",)),
        ({"fan": {"input": "coordinates"}}, ("fan",)),
        ({"fan": {"image": {"sees_code": False}}}, ("fan",)),
        ({"goals": {"faces": 20}}, ("goals", "fan")),
        ({"goals": {"faces": 20}, "pairs": {"per_source": 2}}, ("goals", "pairs", "fan")),
        ({"latents": {"samples": 800}, "pairs": {"shards": 1}}, ("clusters", "directions", "pairs", "fan")),
        ({"directions": {"gallery": {"rows": 3}}}, ()),
        ({"fan": {"finetune": {"epochs": 9}}, "animations": {"passes": 0}}, ()),
    ],
)
def test_an_ablation_runs_from_the_first_stage_that_it_changes(overlay, own):
    assert ablations.own_stages(CONFIG, merged(CONFIG, overlay), name="x") == own


@pytest.mark.parametrize(
    ("overlay", "section"),
    [
        ({"generator": {"draft_size": 128}}, "generator"),
        ({"landmarks": {"min_score": 0.9}}, "landmarks"),
        ({"latents": {"seed": 3}}, "latents"),
        ({"latents": {"samples": 4000}}, "latents"),
    ],
)
def test_what_all_runs_share_cannot_be_ablated(overlay, section):
    with pytest.raises(ValueError, match=f"evaluation.ablations.x changes {section}, which it shares"):
        ablations.own_stages(CONFIG, merged(CONFIG, overlay), name="x")


def test_scaling_changes_one_number_at_a_time_and_leaves_out_the_main_run():
    wanted = {"latents_shards": [1, 4, 7], "pairs_shards": [2, 4]}
    config = merged(CONFIG, {"evaluation": {"scaling": wanted}})
    overlays = ablations.scaling(config)
    trained = {name: ablations.trained_on(merged(config, over)) for name, over in overlays.items()}
    assert trained == {
        "faces-600": {"faces": 600, "pair_renders": 960},
        "pairs-480": {"faces": 2400, "pair_renders": 480},
    }
    assert ablations.trained_on(config) == {"faces": 2400, "pair_renders": 960}


def test_ablations_of_the_config_are_whole_configurations():
    overlays = CONFIG["evaluation"]["ablations"]
    whole = variants(CONFIG, overlays, SCHEMA)
    assert set(whole) == set(overlays)
    for name, variant in whole.items():
        assert variant["evaluation"]["ablations"] == {}  # none of its own
        assert ablations.own_stages(CONFIG, variant, name=name)


def test_a_slip_in_an_ablation_names_it():
    with pytest.raises(
        ValueError, match="directions.method is 'closed'.* \\(in evaluation.ablations.mine\\)"
    ):
        variants(CONFIG, {"mine": {"directions": {"method": "closed"}}}, SCHEMA)


def test_an_ablation_that_is_null_is_none():
    config = merged(CONFIG, {"evaluation": {"ablations": {"sefa": None}}})
    check(config, SCHEMA)
    assert set(ablations.overlays(CONFIG)) - set(ablations.overlays(config)) == {"sefa"}


def test_every_variant_is_trained_whatever_the_main_run_does():
    config = merged(CONFIG, {"fan": {"weights": "bundle"}})
    found = variants(config, ablations.overlays(config), SCHEMA)
    assert {variant["fan"]["weights"] for variant in found.values()} == {"train"}
    assert ablations.own_stages(config, found["trained"], name="trained") == ()
    assert config["fan"]["weights"] == "bundle"  # the main run stays as it was
