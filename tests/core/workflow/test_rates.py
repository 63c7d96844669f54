from pathlib import Path

import pytest

from d2a_core.store import texts
from d2a_core.workflow import job_sizes, rates
from d2a_core.workflow.rates import Point, Rates, fit

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
LOG = "2026-03-01 12:00:03 INFO latents images={units}/{units} images_per_s=10 eta_s=0\n"


def job(results, rule, name, seconds, units=None, *, memory="1000.0", log=None, extra=("", "")):
    row = f"{seconds}\t0:00:10\t{memory}\t2\t3\t4\t5\t6\t7\t8"
    texts.write_text(f"{HEADER}{extra[0]}\n{row}{extra[1]}\n", results / "benchmarks" / rule / f"{name}.tsv")
    texts.write_text(log or LOG.format(units=units), results / "logs" / rule / f"{name}.log")


def known(**rules):
    return Rates({rule: tuple(points) for rule, points in rules.items()}, "a machine", "x")


def test_two_sizes_tell_the_start_up_from_the_cost_of_a_unit():
    fixed, each = fit([(100, 15.0), (400, 45.0)], startup=3.4)
    assert fixed == pytest.approx(5.0) and each == pytest.approx(0.1)
    assert known(animate=[Point(100, 15.0), Point(400, 45.0)]).seconds("animate", 1000) == pytest.approx(
        105.0
    )


def test_jobs_of_one_size_start_up_in_the_stated_time():
    assert fit([(100, 13.4), (100, 13.4)], startup=3.4) == pytest.approx((3.4, 0.1))


def test_no_start_up_is_longer_than_the_shortest_job():
    assert fit([(100, 2.0)], startup=3.4) == pytest.approx((2.0, 0.0))


def test_noise_makes_neither_part_negative():
    assert fit([(100, 20.0), (400, 10.0)], startup=3.4)[1] == pytest.approx(0, abs=1e-9)
    assert fit([(100, 1.0), (400, 40.0)], startup=3.4)[0] == pytest.approx(0, abs=1e-9)


def test_a_start_up_that_only_noise_explains_is_held_down():
    fixed, each = fit([(100, 80.0), (300, 80.0)], startup=3.4, longest=15)
    assert fixed <= 15 and each > 0


def test_a_rule_that_was_not_measured_has_no_rate():
    assert known(animate=[Point(1, 1.0)]).seconds("train_fan", 10) is None


def test_jobs_that_are_all_alike_cost_their_mean():
    assert known(align_source=[Point(1, 8.0), Point(1, 10.0)]).seconds("align_source", 1) == 9.0


def test_a_benchmark_is_read_with_the_work_that_its_log_counts(tmp_path):
    job(tmp_path, "sample_latents", "00000", 83.4, 800)
    texts.write_text("x" * 500, tmp_path / "latents" / "00000.zarr" / "zarr.json")
    assert rates.measure(tmp_path).rules["sample_latents"] == (Point(800, 83.4, 1000.0, 500),)


def test_an_ablation_counts_as_the_rule_that_it_repeats(tmp_path):
    job(tmp_path / "ablations" / "sefa", "augment_latents", "all-00000", 90.0, 800)
    assert rates.measure(tmp_path).rules["augment_latents"] == (Point(800, 90.0, 1000.0, None),)


def test_a_training_that_was_taken_up_again_gives_no_rate(tmp_path):
    job(tmp_path, "sample_latents", "00000", 80.0, 800)
    log = "2026-03-01 12:00:00 INFO fan resumed epoch=5/8\n" + LOG.format(units=800).replace(
        "images", "pairs"
    )
    job(tmp_path, "train_fan", "all", 10.0, log=log)
    assert "train_fan" not in rates.measure(tmp_path).rules


def test_what_trains_in_two_kinds_of_steps_adds_them_up(tmp_path):
    log = LOG.format(units=200).replace("images", "steps") + LOG.format(units=100).replace("images", "frames")
    job(tmp_path, "animate", "me--talk", 90.0, log=log)
    assert rates.measure(tmp_path).rules["animate"][0].units == pytest.approx(100 + 200 * 1.5)


def test_a_job_too_short_to_be_sampled_has_a_time_and_no_memory(tmp_path):
    job(tmp_path, "draw_pairs", "x", 0.3, log="-", memory="NA")
    assert rates.measure(tmp_path).rules["draw_pairs"] == (Point(1, 0.3, None, None),)


def test_rates_of_a_gpu_are_used_for_a_gpu_alone(tmp_path):
    extra = "\tresources", "\t{'mem_mb': 3000, 'gpu': 1}"
    job(tmp_path, "sample_latents", "00000", 10.0, 800, extra=extra)
    job(tmp_path, "sample_latents", "00001", 80.0, 800)
    found = rates.measure(tmp_path)
    assert found.seconds("sample_latents", 800, "gpu") == pytest.approx(10)
    assert found.seconds("sample_latents", 800, "cpu") == pytest.approx(80)


def test_saved_rates_are_read_as_they_were(tmp_path):
    job(tmp_path, "sample_latents", "00000", 83.4, 800)
    measured = rates.measure(tmp_path)
    rates.save(measured, tmp_path / "rates.yaml")
    kept = rates.read([tmp_path / "rates.yaml"])
    assert kept.rules == measured.rules and kept.machine == rates.this_machine() != measured.machine


def test_runs_of_two_sizes_are_read_together(tmp_path):
    job(tmp_path / "small", "sample_latents", "00000", 15.0, 100)
    job(tmp_path / "large", "sample_latents", "00000", 45.0, 400)
    together = rates.read([tmp_path / "small", tmp_path / "large"])
    assert together.seconds("sample_latents", 1000) == pytest.approx(105.0)


@pytest.mark.parametrize("content", [None, "", "{", "rules: {animate: 3}\nmachine: x"])
def test_what_holds_no_rates_is_refused_with_a_remedy(tmp_path, content):
    path = tmp_path
    if content is not None:
        path = tmp_path / "rates.yaml"
        texts.write_text(content, path)
    with pytest.raises(ValueError, match="give the results folder of a finished run"):
        rates.read([path])


def test_shipped_rates_know_the_demo():
    shipped = rates.read([Path(__file__).parents[3] / "docs" / "rates.yaml"])
    assert {"sample_latents", "train_fan", "animate", "invert_source"} <= shipped.rules.keys()
    assert 30 < shipped.seconds("sample_latents", 800) < 300


def test_shipped_rates_know_every_rule_that_a_default_run_has():
    shipped = rates.read([Path(__file__).parents[3] / "docs" / "rates.yaml"])
    asked_for = {"finetune_fan_in_image_space"}  # by `fan.finetune.sources` alone
    assert job_sizes.WORK.keys() - shipped.rules.keys() == asked_for


def test_memory_grows_only_where_two_sizes_show_it():
    one = known(animate=[Point(100, 15.0, 2000.0), Point(100, 15.0, 2100.0)])
    assert one.memory_mb("animate", 1000) == 2100
    two = known(animate=[Point(100, 15.0, 600.0), Point(300, 15.0, 1000.0)])
    assert two.memory_mb("animate", 1000) == pytest.approx(400 + 2 * 1000)


def test_a_benchmark_without_its_end_is_passed_over(tmp_path):
    job(tmp_path, "sample_latents", "00000", 83.4, 800)
    texts.write_text("", tmp_path / "benchmarks" / "sample_latents" / "00001.tsv")
    texts.write_text(LOG.format(units=800), tmp_path / "logs" / "sample_latents" / "00001.log")
    assert len(rates.measure(tmp_path).rules["sample_latents"]) == 1


def test_jobs_of_one_size_are_saved_as_their_median(tmp_path):
    for shard, seconds in enumerate((80.0, 84.0, 300.0)):
        job(tmp_path, "sample_latents", f"{shard:05d}", seconds, 800)
    rates.save(rates.measure(tmp_path), tmp_path / "rates.yaml")
    assert rates.read([tmp_path / "rates.yaml"]).rules["sample_latents"] == (Point(800, 84.0, 1000.0, None),)
