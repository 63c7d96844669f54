from pathlib import Path

import yaml

from d2a_core.config import merged
from d2a_core.evaluation import methods
from d2a_core.evaluation.protocols import CROSS, FINETUNING, NO_PASSES, SELF, SEQUENCE

CONFIG = merged(
    yaml.safe_load((Path(__file__).parents[3] / "config.yaml").read_text()),
    {"evaluation": {"passes": 2, "external": {"fomm": "results-of-fomm"}, "protocols": {"finetuned": 0}}},
)
WRONG = ["control-source", "control-target", "control-noise"]


def test_only_ours_has_passes_and_only_the_main_method_several():
    known = methods.by_name(CONFIG)
    assert known["d2animator"].passes == (0, 1, 2)
    assert known["sefa"].passes == known["faces-600"].passes == known["finetuned"].passes == (0,)
    assert known["fomm"].passes == known["control-noise"].passes == (NO_PASSES,)
    assert {name for name, method in known.items() if not method.ours} == {"fomm", *WRONG}


def test_every_method_is_scored_on_the_pairs_that_it_is_compared_on():
    scored = {name: method.protocols for name, method in methods.by_name(CONFIG).items()}
    assert scored["d2animator"] == scored["fomm"] == (CROSS, SELF, SEQUENCE)
    assert scored["sefa"] == scored["control-source"] == (CROSS,)
    assert scored["untuned"] == scored["finetuned"] == (FINETUNING,)


def test_gradient_steps_are_a_method_where_the_animations_take_some():
    assert methods.by_name(CONFIG)["refined"] == methods.Method((CROSS, SELF, SEQUENCE), (0,))
    none = merged(CONFIG, {"animations": {"refinements": 0}})
    assert "refined" not in methods.by_name(none) and "refined" not in methods.in_table_1(none)


def test_one_job_scores_all_baselines_and_each_other_method_has_its_own():
    together = methods.scored_together(CONFIG)
    assert together["baselines"] == tuple(WRONG) and together["sefa"] == ("sefa",)
    assert not set(WRONG) & set(together)
    known = methods.by_name(CONFIG)
    for names in together.values():
        assert len({known[name] for name in names}) == 1, names


def test_fine_tuning_stands_in_table_2_only_where_sources_are_tuned():
    ablations = ["faces-600", "pairs-240", "pairs-480", *CONFIG["evaluation"]["ablations"]]
    assert methods.in_table_1(CONFIG) == ["d2animator", "refined", "fomm", "baselines"]
    assert (methods.mains_of_table_2(CONFIG), methods.in_table_2(CONFIG)) == (["d2animator"], ablations)
    tuned = merged(CONFIG, {"evaluation": {"protocols": {"finetuned": 4}}})
    assert methods.mains_of_table_2(tuned) == ["d2animator", "untuned"]
    assert methods.in_table_2(tuned) == [*ablations, "finetuned"]


def test_where_fan_comes_in_a_bundle_ablations_are_compared_with_one_trained_as_they_are():
    bundled = merged(CONFIG, {"fan": {"weights": "bundle"}})
    assert methods.mains_of_table_2(bundled) == ["trained"]
    assert methods.in_table_2(bundled) == methods.in_table_2(CONFIG)  # it is no row beside itself
    assert methods.by_name(bundled)["trained"] == methods.by_name(bundled)["sefa"]
    assert "trained" not in methods.by_name(CONFIG)
