"""`d2a animate` on a workflow of a few shell rules: caching, mistakes, Ctrl-C, locks."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from click.testing import CliRunner

import d2a_core
from d2a_core.commands import animate as animate_command
from d2a_core.commands import delivery
from d2a_core.commands import morph as morph_command
from d2a_core.commands.cli import main
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import Request
from d2a_core.commands.studio.queue import Silence
from d2a_core.config import check, merged
from d2a_core.media import images, video_writing
from d2a_core.store import tables
from d2a_core.workflow import execution

ROOT = Path(__file__).parents[2]
SCHEMA_OF_ALL = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())
SNAKEFILE = """
configfile: f"{workflow.basedir}/config.yaml"

SOURCES = {source["name"]: source for source in config["sources"]}
CLIPS = {clip["name"]: clip for clip in config["driving"]["clips"]}


def image_of(wildcards):
    return SOURCES[wildcards.source].get("image", [])


def video_of(wildcards):
    return CLIPS[wildcards.clip]["path"]


rule invert_source:
    input: image_of
    output: "results/sources/{source}.txt"
    log: "results/logs/invert_source/{source}.log"
    params: inversion=config["inversion"]
    shell: "bash {workflow.basedir}/job.sh invert_source {log} {output} '{input}'"


rule track_driving:
    input: video_of
    output: "results/driving/{clip}.parquet"
    log: "results/logs/track_driving/{clip}.log"
    shell: "bash {workflow.basedir}/job.sh track_driving {log} {output} {input}"


rule animate:
    input: "results/sources/{source}.txt", "results/driving/{clip}.parquet"
    output: "results/animations/{source}--{clip}.mp4"
    log: "results/logs/animate/{source}--{clip}.log"
    params: animations=config["animations"]
    shell: "bash {workflow.basedir}/job.sh animate {log} {output} '{params.animations}'"


rule compare_motion:
    input: "results/animations/{source}--{clip}.mp4"
    output:
        "results/animations/{source}--{clip}--side-by-side.mp4",
        "results/animations/{source}--{clip}.sheet.png",
    log: "results/logs/compare_motion/{source}--{clip}.log"
    shell: "touch {output}"


rule measure_animation:
    input: "results/animations/{source}--{clip}.mp4"
    output: "results/animations/{source}--{clip}.figures.parquet"
    log: "results/logs/measure_animation/{source}--{clip}.log"
    shell: "cp {workflow.basedir}/figures.parquet {output}"


rule morph:
    input: "results/sources/{source}.txt"
    output:
        "results/morphs/{source}--{morph}.mp4",
        "results/morphs/{source}--{morph}.sheet.png",
        "results/morphs/{source}--{morph}.figures.parquet",
    log: "results/logs/morph/{source}--{morph}.log"
    params: morphs=config["morphs"]
    shell:
        "bash {workflow.basedir}/job.sh morph {log} {output[0]} '{params.morphs}';"
        "touch {output[1]}; cp {workflow.basedir}/figures.parquet {output[2]}"


rule write_frames:
    input: "results/animations/{source}--{clip}.mp4"
    output: directory("results/animations/{source}--{clip}--frames")
    log: "results/logs/write_frames/{source}--{clip}.log"
    shell: "mkdir {output}; touch {output}/00000.png"
"""
# Writes its last argument; fails, dies or dawdles in the stage that a file of that name beside it tells of.
JOB = """
stage=$1 log=$2 output=$3 root=$(dirname $0)
echo $stage >> $root/ran
echo "2026-03-01 12:00:00 INFO $stage frames=3/10 frames_per_s=1.5 eta_s=5" | tee $log
echo half > $output
if [ -e $root/$stage.fail ]; then
    echo "2026-03-01 12:00:01 ERROR no face found on $4; give another photo" | tee -a $log; exit 1
fi
if [ -e $root/$stage.die ]; then kill -9 $$; fi
if [ -e $root/$stage.slow ]; then sleep 60; fi
echo "$4" > $output
"""
CONFIG = """
latents: {samples: 2, shard_size: 2, keep_images: true}
clusters: {counts: {all: [2]}}
pairs: {shards: 1}
sources: [{name: anna, seed: 21, truncation: 0.7}]
driving: {performances: [], clips: [], combinations: []}
fan: {groups: [all, pose, expression]}
inversion: {method: optimize, tune: false}
animations: {motion: relative, fan: all, neutral_s: null, motion_scale: 1.0}
morphs: []
evaluation: {protocols: {pairs: 1, finetuned: 1}, datasets: [], ablations: {}, external: {}}
"""
SCHEMA = """
type: object
properties:
  inversion:
    properties:
      method: {enum: [encoder, optimize]}
  animations:
    properties:
      motion: {enum: [relative, absolute]}
      motion_scale: {type: number, minimum: 0, description: Strength}
"""


FIGURES = (
    *("yaw_correlation", "mouth_correlation", "eye_correlation", "identity", "driver_identity"),
    *("driver_strangers", "driver_strangers_high", "step", "variation", "variation_uneven"),
)


class Place:
    """A stub workflow `root`, a work directory `work` and a `home` with a photo and a clip."""

    def __init__(self, folder):
        self.root, self.work, self.home = folder / "root", folder / "work", folder / "home"
        (self.root / "schemas").mkdir(parents=True)
        self.home.mkdir()
        shutil.copytree(ROOT / "profiles", self.root / "profiles")
        for name, text in (("Snakefile", SNAKEFILE), ("job.sh", JOB), ("config.yaml", CONFIG)):
            (self.root / name).write_text(text)
        (self.root / "schemas" / "config.schema.yaml").write_text(SCHEMA)
        row = {name: [0.5] for name in FIGURES}
        tables.write_parquet(row, self.root / "figures.parquet", metadata={})
        picture = np.zeros((64, 64, 3), np.uint8)
        images.write_image(picture, self.home / "me.png")
        with video_writing.VideoWriter(self.home / "talk.mp4", rate=Fraction(25), metadata={}) as writer:
            writer.write(picture)
            writer.write(picture)

    def words(self, source=None, **options):
        given = {"source": source or self.home / "me.png", "driving": self.home / "talk.mp4"}
        given |= {"output": self.home / "out.mp4", "work": self.work, "cores": 1} | options
        flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is True]
        pairs = [
            (f"--{name.replace('_', '-')}", str(value)) for name, value in given.items() if value is not True
        ]
        return ["animate", *flags, *(word for pair in pairs for word in pair)]

    def start(self, **options):
        """The command as a process of its own, to send signals to."""
        script = f"""
import pathlib
import d2a_core
from d2a_core.commands import cli
d2a_core.ROOT = pathlib.Path({str(self.root)!r})
cli.main()
"""
        return subprocess.Popen(
            [sys.executable, "-c", script, *self.words(**options)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ran(self):
        """The jobs that have started since the last call."""
        file = self.root / "ran"
        names = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        return names

    def wait_for(self, stage):
        """Wait until the job of a stage is at work."""
        for _ in range(900):  # a loaded machine takes its time to start Snakemake
            if (self.root / "ran").exists() and stage in (self.root / "ran").read_text():
                return
            time.sleep(0.1)
        raise AssertionError(f"{stage} did not start")

    def make(self, name):
        (self.root / name).touch()
        return self.root / name


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = Place(tmp_path)
    monkeypatch.setattr(d2a_core, "ROOT", place.root)
    monkeypatch.chdir(place.home)
    return place


@pytest.fixture
def run(place):
    return lambda **options: CliRunner().invoke(main, place.words(**options))


def test_a_second_call_computes_nothing_and_gives_the_same(place, run):
    first = run()
    assert first.exit_code == 0, first.stderr
    assert sorted(place.ran()) == ["animate", "invert_source", "track_driving"]
    assert first.stderr.startswith("✓ ") and first.stderr.count("\n") == 5  # one line a stage
    assert first.stdout.splitlines()[-1].startswith("follows its driver: yaw 0.50, mouth 0.50")
    shown = dict(line.split(maxsplit=1) for line in first.stdout.splitlines() if line.startswith(("v", "l")))
    assert Path(shown["video"]) == place.home / "out.mp4" and Path(shown["log"]).is_file()
    os.utime(place.home / "me.png")  # touched, and moved
    shutil.move(place.home / "me.png", place.home / "portrait.png")
    second = run(source="portrait.png", output="again.mp4")
    assert (second.exit_code, place.ran()) == (0, [])
    assert second.stderr == "Every stage was done before\n"
    assert (place.home / "again.mp4").read_bytes() == (place.home / "out.mp4").read_bytes()


@pytest.mark.slow
def test_a_motion_option_reruns_only_the_animation_and_a_method_only_the_source(place, run):
    assert run().exit_code == 0
    place.ran()
    ended = run(motion_scale=1.5)
    assert (ended.exit_code, place.ran()) == (0, ["animate"])
    assert "motion_scale: 1.5" in (place.home / "out.mp4").read_text()
    assert run(method="encoder").exit_code == 0
    assert sorted(place.ran()) == ["animate", "invert_source"]


def test_a_dry_run_computes_nothing(place, run):
    ended = run(dry_run=True)
    assert (ended.exit_code, place.ran()) == (0, [])
    assert "would run invert source (1)\n" in ended.stderr
    assert not (place.home / "out.mp4").exists()


def test_a_failing_stage_is_one_sentence_with_the_users_file_and_its_name(place, run):
    (place.home / "out.mp4").write_text("what was there")
    place.make("track_driving.fail")
    ended = run()
    assert ended.exit_code == 1 and ended.stdout == ""
    *_, failed, log, error = ended.stderr.splitlines()
    assert failed == "✗ track driving          failed"
    assert Path(log.removeprefix("Log: ")).is_file()
    assert error == f"Error: no face found on {place.home / 'talk.mp4'}; give another photo"
    assert (place.home / "out.mp4").read_text() == "what was there"
    (place.root / "track_driving.fail").unlink()
    assert run().exit_code == 0


@pytest.mark.slow
def test_a_stage_that_dies_without_a_word_points_at_the_log(place, run):
    place.make("invert_source.die")
    ended = run()
    assert ended.exit_code == 1
    assert "Error: the stage 'invert source' ended without a word" in ended.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_goes_on_where_it_stopped(place, run, how):
    slow = place.make("animate.slow")
    started = place.start()
    place.wait_for("animate")
    refused = run()
    assert refused.exit_code == 1 and f"another d2a is at work in {place.work}" in refused.stderr
    started.send_signal(how)
    shown, told = started.communicate(timeout=30)
    if how != signal.SIGKILL:
        assert (started.returncode, shown) == (130, "")
        assert told.splitlines()[-1] == delivery.RESUMES
    slow.unlink()
    place.ran()
    ended = run()
    assert ended.exit_code == 0, ended.stderr
    assert place.ran() == ["animate"]  # what was half written is made again, what was whole is kept
    assert "motion_scale" in (place.home / "out.mp4").read_text()


def _left_running(work):
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get(execution.MARK) == str(work):
            yield process


@pytest.mark.slow
def test_a_run_cancelled_from_a_thread_leaves_nothing_running_and_goes_on_later(place):
    slow, cancelled, stages, ends = place.make("animate.slow"), threading.Event(), set(), []
    wanted = Request(
        source=str(place.home / "me.png"), driving=place.home / "talk.mp4", work=place.work, cores=1
    )
    watcher = delivery.Watcher(Silence(), follow=lambda run: stages.update(run.stages), cancelled=cancelled)

    def animate():
        try:
            ends.append(animate_command.animate(wanted, watcher=watcher))
        except KeyboardInterrupt as end:
            ends.append(str(end))

    thread = threading.Thread(target=animate)
    thread.start()
    place.wait_for("animate")
    assert list(_left_running(place.work))
    for _ in range(100):  # the log is read a moment later
        if "animate" in stages:
            break
        time.sleep(0.1)
    assert "animate" in stages
    cancelled.set()
    thread.join(60)
    assert ends == [delivery.RESUMES]
    assert not list(_left_running(place.work))
    slow.unlink()
    place.ran()
    made = animate_command.animate(wanted)
    assert place.ran() == ["animate"]
    assert made["video"].parent == place.work / "results" / "animations"  # asked for nowhere else, it stays


@pytest.mark.slow
def test_the_lock_of_a_living_snakemake_is_kept_and_that_of_a_dead_one_removed(place, run):
    assert run().exit_code == 0
    slow = place.make("animate.slow")
    target = str(next((place.work / "results" / "animations").glob("*.sheet.png")).relative_to(place.work))
    overlay = next((place.work / delivery.STATE).glob("*.yaml"))
    stranger = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "1", "--snakefile", place.root / "Snakefile", target]
        + ["--configfile", overlay, "--forcerun", "animate"],
        cwd=place.work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    place.ran()
    place.wait_for("animate")
    refused = run()
    assert refused.exit_code == 1
    assert f"a Snakemake is at work in {place.work} (process {stranger.pid})" in refused.stderr
    os.killpg(stranger.pid, signal.SIGKILL)
    stranger.wait()
    slow.unlink()
    assert any((place.work / ".snakemake" / "locks").iterdir())
    assert run().exit_code == 0


def test_frames_and_side_by_side_are_copied_out(place, run):
    ended = run(frames=place.home / "png", side_by_side=place.home / "both.mp4")
    assert ended.exit_code == 0, ended.stderr
    assert [path.name for path in (place.home / "png").iterdir()] == ["00000.png"]
    assert (place.home / "both.mp4").is_file()
    assert str(place.home / "png") in ended.stdout


def test_names_follow_the_content_of_files(place):
    def plan(**options):
        paths = {"driving": place.home / "talk.mp4", "output": place.home / "o.mp4", "work": place.work}
        return animate_command.make_plan(
            Request(**{"source": str(place.home / "me.png")} | paths | options), place.work
        )

    first = plan()
    assert first == plan(cores=2)
    entry = first.overlay["sources"][0]
    assert entry["face"] == 0 and entry["image"] == f"data/inputs/{entry['name']}.png"
    (place.home / "other").mkdir()
    images.write_image(np.ones((64, 64, 3), np.uint8), place.home / "other" / "me.png")
    other = plan(source=str(place.home / "other" / "me.png")).overlay["sources"][0]
    assert other["name"].startswith("me-") and other["name"] != entry["name"]
    assert plan(face=2, method="hfgi").overlay["sources"][0]["name"] == f"{entry['name']}-face-2-hfgi"
    assert plan(face=1).overlay == first.overlay
    seeded = plan(source="seed:21").overlay
    assert seeded["sources"] == [{"name": "seed-21", "seed": 21, "truncation": 0.7}]
    assert "animations" not in seeded
    assert plan(motion="absolute").overlay["animations"] == {"motion": "absolute"}
    schema = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())
    for form in schema["properties"]["sources"]["items"]["oneOf"]:
        assert re.match(form["properties"]["name"]["pattern"], entry["name"])


def test_a_morph_has_a_source_two_poses_and_a_name_that_follows_them(place):
    def plan(start, end, **options):
        wanted = MorphRequest(
            start=str(start), end=str(end), output=place.home / "m.mp4", work=place.work, **options
        )
        return morph_command.make_morph_plan(wanted, place.work)

    me = place.home / "me.png"
    first = plan(me, "seed:21", tune=False)
    own, other = first.overlay["sources"]
    (entry,) = first.overlay["morphs"]
    assert own["name"].endswith("-untuned") and other == {"name": "seed-21", "seed": 21, "truncation": 0.7}
    assert (entry["source"], entry["start"], entry["end"]) == (own["name"], own["name"], "seed-21")
    assert first.results["video"] == f"results/morphs/{own['name']}--{entry['name']}.mp4"
    assert first.wanted == {"video": place.home / "m.mp4"} and first.copies == {own["image"]: str(me)}
    assert first == plan(me, "seed:21", tune=False, cores=2) != plan(me, "seed:21", tune=False, frames=9)
    points = tables.points_column(np.zeros((1, 98, 2), np.float32))
    tables.write_parquet({"time_s": [0.0], "points": points}, place.home / "pose.parquet", metadata={})
    posed = plan(place.home / "pose.parquet", me, source="seed:21").overlay
    (clip,) = posed["driving"]["clips"]
    assert clip["path"].endswith(".parquet") and posed["morphs"][0]["start"] == clip["name"]
    check(merged(yaml.safe_load((ROOT / "config.yaml").read_text()), posed), SCHEMA_OF_ALL)


def test_a_morph_is_delivered_with_its_figures_and_kept(place):
    me, out = place.home / "me.png", place.home / "m.mp4"
    words = ["morph", str(me), "seed:21", "--frames", "9", "--work", str(place.work), "--cores", "1"]
    ended = CliRunner().invoke(main, [*words, "--output", str(out)])
    assert ended.exit_code == 0, ended.stderr
    assert sorted(place.ran()) == ["invert_source", "morph"]
    assert "frames: 9" in out.read_text().replace("'", "")
    assert ended.stdout.splitlines()[-1].startswith("steps of 50.0 % of the eyes' distance vary by 50 %")
    again = CliRunner().invoke(main, [*words, "--output", str(place.home / "n.mp4")])
    assert (again.exit_code, place.ran(), again.stderr) == (0, [], "Every stage was done before\n")


def test_a_wrong_option_is_one_line(run):
    ended = run(cores="many")
    assert ended.exit_code == 2
    assert ended.stderr.count("\n") == 1 and "'many' is not a valid integer" in ended.stderr
