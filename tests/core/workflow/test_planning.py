import pytest

from d2a_core.store import texts
from d2a_core.workflow import planning
from d2a_core.workflow.plan_table import show
from d2a_core.workflow.planning import Cost, Job, jobs_of, settings_of, wall_seconds
from d2a_core.workflow.rates import Point, Rates

RESOURCES = {"tmpdir": "/tmp", "runtime": 60, "mem_mb": 3000, "mem": "3 GB", "mem_mib": 2862, "gpu": 1}


def due(rule, inputs, outputs, *, wildcards=None, benchmark=None, threads=1, resources=None):
    """The event of a job."""
    facts = {"rule_name": rule, "input": inputs, "output": outputs, "benchmark": benchmark}
    facts["wildcards"] = wildcards or {}
    return {"event": "job_info", **facts, "threads": threads, "resources": resources or {}}


EVENTS = [
    {"event": "run_info", "stats": {"sample_latents": 1, "total": 4}},
    due(
        "sample_latents",
        ["data/assets/g", "results/generator/draft.zarr"],
        ["results/latents/00000.zarr"],
        wildcards={"shard": "00000"},
        benchmark="results/benchmarks/sample_latents/00000.tsv",
        threads=2,
        resources=RESOURCES,
    ),
    due(
        "no-ica_train_fan",
        [],
        ["results/ablations/no-ica/fan/all/base.pt", "results/ablations/no-ica/fan/all/base.loss.png"],
        wildcards={"group": "all"},
        benchmark="results/ablations/no-ica/benchmarks/train_fan/all.tsv",
        resources={"mem_mb": "<TBD>"},
    ),
    due("all", ["results/latents/00000.zarr"], []),
]
CONFIG = {"latents": {"samples": 100, "shard_size": 50}}


def cost(name, seconds, *, needs=(), threads=1, rule="x"):
    return Cost(Job(rule, {}, "", frozenset(needs), frozenset([name]), threads), 1.0, seconds)


def table(*costs, **where):
    return show(costs, Rates({}, "a machine", "docs/rates.yaml"), **where)


def test_jobs_of_a_dry_run_with_what_they_need():
    sampled, trained = jobs_of(EVENTS, ["", "no-ica"])
    assert sampled == Job(
        "sample_latents",
        {"shard": "00000"},
        "",
        frozenset(["data/assets/g", "results/generator/draft.zarr"]),
        frozenset(["results/latents/00000.zarr"]),
        2,
        1,
        3000,
    )
    assert (trained.rule, trained.wildcards, trained.variant) == ("train_fan", {"group": "all"}, "no-ica")
    assert len(trained.outputs) == 2 and trained.memory_mb is None


def test_a_config_that_is_no_yaml_is_one_sentence(tmp_path):
    (tmp_path / "config.yaml").write_text("latents: {samples: 1}")
    (tmp_path / "mine.yaml").write_text("latents: {")
    with pytest.raises(ValueError, match="mine.yaml is no YAML file .*; correct it"):
        planning.configuration(tmp_path, [tmp_path / "mine.yaml"])


def test_a_job_costs_its_start_up_and_its_work():
    known = Rates({"sample_latents": (Point(100, 15.0, 800.0, 1e6), Point(400, 45.0, 800.0, 4e6))}, "", "")
    planned = planning.cost(jobs_of(EVENTS, [""])[0], known, {"": CONFIG})
    assert planned.units == 50 and planned.seconds == pytest.approx(10.0)
    assert planned.memory_mb == pytest.approx(800) and planned.disk_bytes == pytest.approx(5e5)
    assert planned.elsewhere  # it will run on a GPU


def test_jobs_run_beside_one_another_as_far_as_there_are_cores():
    costs = [cost("a", 10), cost("b", 10), cost("c", 5, needs=["a", "b"], threads=2)]
    assert wall_seconds(costs, cores=2) == 15
    assert wall_seconds(costs, cores=1) == 10 + 10 + 2 * 5  # two threads on one core
    assert wall_seconds(costs, nodes=1) == 25
    assert wall_seconds(costs, nodes=9) == 15


def test_a_wide_job_waits_for_room():
    assert wall_seconds([cost("a", 10), cost("b", 10, threads=2)], cores=2) == 20


def test_totals_add_up_and_times_count_the_threads():
    said = table(cost("a", 90, threads=2, rule="animate"), cost("b", 60, rule="animate"), cores=1)
    total = next(line for line in said.splitlines() if line.startswith("total"))
    assert total.split()[1:6] == ["2", "2.5", "min", "4.0", "min"]


def test_a_rule_without_a_rate_is_named_and_never_zero():
    said = table(cost("a", 90), cost("b", None, rule="train_hfgi"), cores=1)
    line = next(line for line in said.splitlines() if line.startswith("train_hfgi"))
    assert "?" in line and "0.0 s" not in line
    assert "≥90.0 s" in said and "no rate, not in the totals: train_hfgi" in said


def test_a_gpu_hour_by_a_rate_of_a_cpu_is_marked():
    job = Job("train_fan", gpus=1)
    said = table(Cost(job, 1.0, 50.0, elsewhere=True), nodes=1)
    assert "GPU time" in said and "~50.0 s" in said and "measured on a CPU" in said
    assert "GPU time" not in table(cost("a", 90), cores=1)


def test_a_job_that_asks_for_too_little_memory_is_told_what_it_needs():
    job = Job("cluster_landmarks", memory_mb=2000)
    said = table(Cost(job, 1.0, 5.0, memory_mb=5000.0), cores=1)
    assert "--set-resources cluster_landmarks:mem_mb=6500" in said


def test_nothing_left_to_do_is_said():
    assert table(cores=2).startswith("Nothing is left to do")


def test_a_profile_gives_resources_threads_and_jobs_at_a_time(tmp_path):
    profile = """executor: slurm
jobs: 40
set-resources:
  train_fan: {gpu: 1, slurm_partition: gpu}
set-threads: {train_fan: 8}
default-resources: [mem_mb=2000]
"""
    texts.write_text(profile, tmp_path / "profile.yaml")
    settings = settings_of(tmp_path)
    assert settings.jobs == 40
    assert settings.options == [
        *("--set-resources", "train_fan:gpu=1", "train_fan:slurm_partition=gpu"),
        *("--set-threads", "train_fan=8", "--default-resources", "mem_mb=2000"),
    ]
    assert settings_of(None) == planning.Settings()


def test_a_folder_without_a_profile_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no profile"):
        settings_of(tmp_path)


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    texts.write_text("a: 1", tmp_path / "config.yaml")
    with pytest.raises(ValueError, match=r"none\.yaml does not exist"):
        planning.configuration(tmp_path, [tmp_path / "none.yaml"])


def test_durations_and_sizes_have_units():
    from d2a_core.workflow.plan_table import duration, size

    assert [duration(s) for s in (3, 600, 7200)] == ["3.0 s", "10.0 min", "2.0 h"]
    assert [size(b) for b in (500, 2e6, 3.5e9, 1.2e12)] == ["0.5 kB", "2.0 MB", "3.5 GB", "1.2 TB"]


def test_a_clip_that_is_not_there_yet_leaves_its_jobs_open(tmp_path):
    config = {
        "driving": {
            "performances": [],
            "clips": [{"name": "talk", "path": "talk.mp4"}],
            "combinations": [],
        },
        "evaluation": {"datasets": []},
    }
    known = Rates({"track_driving": (Point(100, 15.0),)}, "", "")
    planned = planning.cost(
        Job("track_driving", {"tracked": "talk"}), known, {"": planning.placed(config, tmp_path)}
    )
    assert planned.units is None and planned.seconds is None


def test_paths_of_a_configuration_start_in_the_folder_of_the_work(tmp_path):
    sets = [{"name": "celeba", "images": "data/c"}]
    config = {"driving": {"clips": [{"name": "talk", "path": "talk.mp4"}]}, "evaluation": {"datasets": sets}}
    found = planning.placed(config, tmp_path)
    assert found["driving"]["clips"][0]["path"] == str(tmp_path / "talk.mp4")
    assert found["evaluation"]["datasets"] == [{"name": "celeba", "images": str(tmp_path / "data/c")}]


def test_a_job_far_larger_than_any_measured_is_called_a_guess():
    known = Rates({"sample_latents": (Point(4, 15.0), Point(2, 9.0))}, "", "")
    planned = planning.cost(Job("sample_latents", {"shard": "00000"}), known, {"": CONFIG})
    assert planned.beyond and "a guess, more than ten times" in table(planned, cores=1)
    assert "a guess" not in table(cost("a", 90), cores=1)
