"""profiles/slurm fits the rules: resources, GPUs, groups."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from d2a_core import config

ROOT = Path(__file__).parents[2]
PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "profile.yaml").read_text())
DEFAULT = yaml.safe_load((ROOT / "profiles" / "default" / "profile.yaml").read_text())
RULES = {
    name: body
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text(), re.M)
}
LOADS = re.compile(r"\b(generator|closed_loop)\.of_job\(|runtime\.engine\(")  # a generator
TRAINS = re.compile(r"^(train|finetune)_")


def _needs_gpu(rule):
    script = ROOT / "workflow_scripts" / f"{rule}.py"
    return LOADS.search(script.read_text()) is not None or TRAINS.match(rule) is not None


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """What a dry run of everything says of each job through the profile: rule and lines."""
    command = ["-n", "all", "evaluation", "--snakefile", ROOT / "Snakefile"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *command, "--workflow-profile", ROOT / "profiles" / "slurm"],
        cwd=tmp_path_factory.mktemp("dry"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return re.findall(r"^ *(?:local)?rule ([\w-]+):\n((?: +.*\n)+)", done.stdout, re.M)


def test_a_gpu_goes_to_what_renders_or_trains_ablations_included(jobs):
    assert any(rule == "ganspace_train_fan" for rule, _ in jobs)
    for rule, lines in jobs:
        base = next((name for name in RULES if re.fullmatch(rf"([\w-]+_)?{name}", rule)), rule)
        expected = base in RULES and _needs_gpu(base)
        assert ("gpu=1" in lines) == expected, rule


def test_every_rule_that_is_given_a_gpu_exists_in_the_default_configuration():
    ablations = {name.rsplit("_", 2)[0] for name in PROFILE["set-resources"] if name not in RULES}
    assert all(name in RULES or name.split("_", 1)[1] in RULES for name in PROFILE["set-resources"])
    assert {name for name in RULES if _needs_gpu(name)} <= set(PROFILE["set-resources"])
    assert ablations


def test_one_machine_gives_its_gpu_to_the_same_rules():
    one = yaml.safe_load((ROOT / "profiles" / "gpu" / "profile.yaml").read_text())
    assert one["set-resources"] == {rule: {"gpu": 1} for rule in PROFILE["set-resources"]}
    assert DEFAULT.items() <= one.items() and one["resources"] == ["gpu=1"]


def test_the_long_training_is_a_config_that_the_workflow_takes():
    overlay = config.read(ROOT / "profiles" / "gpu" / "config.yaml")
    whole = config.merged(config.read(ROOT / "config.yaml"), overlay)
    config.check(whole, config.read_schema(ROOT / "schemas" / "config.schema.yaml"))
    goals, image = whole["goals"], whole["fan"]["image"]
    asked = goals["shards"] * goals["faces"] * goals["per_face"]
    assert image["samples"] == 100_000 and asked > 0.4 * image["samples"]  # few goals are met often


@pytest.mark.parametrize("name", ["default", "slurm", "gpu"])
def test_no_line_of_a_profile_overrules_another(name):
    nodes = [yaml.compose((ROOT / "profiles" / name / "profile.yaml").read_text())]
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys))
            nodes += [value for _, value in node.value]


def test_resources_double_with_every_attempt():
    text = (ROOT / "rules" / "common.smk").read_text()
    space = {}
    exec(re.search(r"^def more.*?(?=^def )", text, re.M | re.S)[0], space)
    assert [space["more"](3000)(None, attempt) for attempt in (1, 2, 3)] == [3000, 6000, 12000]


def test_the_rules_that_refuse_bad_input_are_not_tried_again():
    once = {name for name, body in RULES.items() if re.search(r"^    retries: 0\b", body, re.M)}
    assert once == {"align_source", "import_driving", "convert_generator", "unpack_bundle"}
    assert PROFILE["retries"] == 2 and "retries" not in DEFAULT


def test_every_group_has_a_size_in_the_profile():
    named = re.compile(r'^    group:\n        "(\w+)"', re.M)
    groups = {name for body in RULES.values() for name in named.findall(body)}
    assert groups == {entry.split("=")[0] for entry in PROFILE["group-components"]}


def test_what_needs_the_network_runs_on_the_login_node():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    local = " ".join(re.findall(r"^localrules:\n((?:    .*\n)+)", text, re.M))
    assert {"fetch_asset", "fetch_inception"} <= set(re.findall(r"\w+", local))


def test_the_profile_decides_about_reruns_as_the_default_one_does():
    assert {name: PROFILE[name] for name in DEFAULT} == DEFAULT
