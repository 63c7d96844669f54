"""A workflow of a few shell rules with the names of the true ones, for tests of commands."""

import shutil
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
from tiny_project import ROOT

from d2a_core.media import images, video_writing
from d2a_core.store import tables

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


rule paste_back:
    input: ["results/animations/" + name + "--{clip}.mp4" for name in SOURCES]
    output: "results/animations/{source}--{clip}--all-faces.mp4"
    log: "results/logs/paste_back/{source}--{clip}.log"
    shell: "bash {workflow.basedir}/job.sh paste_back {log} {output} '{input}'"


rule fetch_asset:
    output: directory("data/assets/{asset}")
    log: "results/logs/fetch_asset/{asset}.log"
    shell: "bash {workflow.basedir}/job.sh fetch_asset {log} {log}.out {wildcards.asset}; mkdir {output}"


rule measure_animation:
    input: "results/animations/{source}--{clip}.mp4"
    output: "results/animations/{source}--{clip}.figures.parquet"
    log: "results/logs/measure_animation/{source}--{clip}.log"
    shell: "test ! -e {workflow.basedir}/measure.fail && cp {workflow.basedir}/figures.parquet {output}"


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
# Writes its last argument; fails, dies or dawdles in the stage that a file of that name beside it tells of,
# failing only where that argument holds the text of the file.
JOB = """
stage=$1 log=$2 output=$3 root=$(dirname $0)
echo $stage >> $root/ran
echo "2026-03-01 12:00:00 INFO $stage frames=3/10 frames_per_s=1.5 eta_s=5" | tee $log
echo half > $output
if [ -e $root/$stage.fail ] && grep -qF -- "$(cat $root/$stage.fail)" <<< "$4"; then
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
landmarks: {detector: facemesh}
fan: {groups: [all, pose, expression], loss: image}
inversion: {method: optimize, tune: false}
animations: {motion: relative, poses: 10, refinements: 12, fan: all, neutral_s: null, motion_scale: 1.0}
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
    *("driver_yaw_correlation", "driver_mouth_correlation", "driver_eye_correlation"),
    *("identity", "driver_identity"),
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

    def add(self, folder, name):
        """Another photo, or another clip for a name that ends in .mp4."""
        own = sum(path.is_file() for path in self.home.rglob("*"))  # as the colour of its pixels
        path = self.home / folder / name
        path.parent.mkdir(exist_ok=True)
        picture = np.full((64, 64, 3), 9 * own, np.uint8)
        if path.suffix == ".mp4":
            with video_writing.VideoWriter(path, rate=Fraction(25), metadata={}) as writer:
                writer.write(picture)
        else:
            images.write_image(picture, path)
        return path

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
