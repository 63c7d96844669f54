"""Count the work of a job of each rule, planned or done, and the bytes it leaves on disk.

The work of a job is known twice: before it runs, from the configuration and its wildcards, and afterwards,
from its own log, in the same unit.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2a_core.animation import retiming, step_counts
from d2a_core.config import PARTS, TOGETHER
from d2a_core.evaluation import methods, protocols
from d2a_core.media import video_reading
from d2a_core.media.timestamps import nominal_rate
from d2a_core.store import arrays, tables
from d2a_core.store.manifests import contents

COUNT = re.compile(r" INFO \w+ (\w+)=\d+/(\d+)\b")
CLUSTERED = re.compile(r" INFO clusters part=\w+ k=(\d+) faces=(\d+)")
RESUMED = re.compile(r" INFO \w+ resumed epoch=")
# What a thing costs beside what the unit counts, measured on a CPU: a pair that fine-tuning learns from takes
# 1/180 of the time of a face that it draws.
PAIR = 1 / 180
STEP = 1.5  # of a frame's time, that a gradient step on a draft takes: those of `animation.refinements`


@dataclass(frozen=True)
class Work:
    """Work of a rule: `planned(config, name)` units; `logged` weighs the counts in a job's log into as many.

    The `name` is the value of `wildcard`, empty where the work hangs on none. `outputs` are patterns below
    the results folder; `{job}` is the name of a job's benchmark, `{path}` the same with a folder for what
    stands before its first `-`.
    """

    unit: str
    planned: Callable[[Mapping[str, Any], str], float]
    logged: Mapping[str, float] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    wildcard: str = ""


def planned(rule: str, wildcards: Mapping[str, str], config: Mapping[str, Any]) -> float:
    """Units of work of a job under `config`; 1 where all jobs of a rule are alike.

    Raises ValueError when a clip that they depend on is missing or damaged.
    """
    if rule not in WORK:
        return 1.0
    work = WORK[rule]
    return work.planned(config, wildcards[work.wildcard] if work.wildcard else "")


def unit(rule: str) -> str:
    """Unit in which the work of a rule is counted."""
    return WORK[rule].unit if rule in WORK else "jobs"


def done(rule: str, log: str, results: Path) -> float | None:
    """Units of work that a finished job tells in its `log`; None where it does not.

    `results` is the folder of the run. A job that went on where a killed one stopped tells nothing: its time
    is that of a part.
    """
    if RESUMED.search(log):
        return None
    if rule == "cluster_landmarks":
        return sum(float(k) * float(faces) for k, faces in CLUSTERED.findall(log)) or None
    if rule == "collect_directions":
        store = results / "directions" / "directions.zarr"
        return float(arrays.zarr_attributes(store)["faces"]) if store.exists() else None
    weights = WORK[rule].logged if rule in WORK else {}
    if not weights:
        return 1.0
    totals = {name: float(total) for name, total in COUNT.findall(log)}
    if next(iter(weights)) not in totals:
        return None
    return sum(weight * totals.get(name, 0.0) for name, weight in weights.items())


def left_bytes(rule: str, job: str, results: Path) -> int | None:
    """Bytes of the artefacts of a finished job; None where none is known."""
    patterns = WORK[rule].outputs if rule in WORK else ()
    names = {"job": job, "path": job.replace("-", "/", 1)}
    found = [path for pattern in patterns for path in results.glob(pattern.format(**names))]
    files = [file for path in found for file in _files(path)]
    return sum(file.stat().st_size for file in files) if found else None


def _files(path: Path) -> list[Path]:
    """The files of an artefact; manifests and time stamps are hidden and do not count."""
    return [path] if path.is_file() else [path / name for name in contents(path)]


def _faces(config: Mapping, name: str) -> float:
    return config["latents"]["shard_size"]


def _samples(config: Mapping, name: str) -> float:
    return config["latents"]["samples"]


def _clustered(config: Mapping, name: str) -> float:
    return config["latents"]["samples"] * sum(map(sum, config["clusters"]["counts"].values()))


def _augmented(config: Mapping, name: str) -> float:
    pairs = config["pairs"]
    return min(pairs["sources_per_shard"], config["latents"]["shard_size"]) * pairs["per_source"]


def _learned(config: Mapping, name: str) -> float:
    """Ordered pairs of the states of every face that is learned from, in all epochs."""
    pairs, fan = config["pairs"], config["fan"]
    sources = pairs["shards"] * min(pairs["sources_per_shard"], config["latents"]["shard_size"])
    ordered = (pairs["per_source"] + 1) * pairs["per_source"]
    return sources * (1 - fan["validation_share"]) * ordered * fan["epochs"]


def _asked(config: Mapping, name: str) -> float:
    return config["goals"]["faces"]


def _imagined(config: Mapping, name: str) -> float:
    """Faces that FAN moves in image space: whole epochs."""
    options = config["fan"]["image"]
    epoch = min(options["epoch"], options["samples"])
    return epoch * max(1, round(options["samples"] / options["epoch"]))


def _tuned(config: Mapping, name: str) -> float:
    options = config["fan"]["finetune"]
    return options["augmentations"] + options["held_out"] + PAIR * options["pairs"] * options["epochs"]


def _adapted(config: Mapping, name: str) -> float:
    """Samples of fine-tuning in image space: whole epochs."""
    options = config["fan"]["finetune"]
    epoch = math.ceil(options["samples"] / options["epochs"])
    return epoch * max(1, round(options["samples"] / epoch))


def _inverted(config: Mapping, name: str) -> float:
    """Largest number of steps of an inversion; its log counts to it, whatever the method."""
    options = config["inversion"]
    tuned = options["tune_steps"] if options["tune"] else 0
    return tuned + sum(options[name] for name in ("w_steps", "wplus_steps", "full_steps"))


def _encoded(config: Mapping, name: str) -> float:
    options = config["encoder"]
    return config["latents"]["samples"] * (1 - options["validation_share"]) * options["epochs"]


def _consulted(config: Mapping, name: str) -> float:
    options = config["hfgi"]
    return options["faces"] * (1 - options["validation_share"]) * options["epochs"]


def _clip(config: Mapping, name: str) -> tuple[float, float]:
    """Frames and frames a second of the clip of a name."""
    for made in config["driving"]["combinations"]:
        if made["name"] == name:
            clips = [_clip(config, made[part]) for part in PARTS if part in made]
            rate = next((own for frames, own in clips if frames > 1), clips[0][1])
            return max(round(frames * rate / own) for frames, own in clips), rate
    for clip in config["driving"]["performances"]:
        if clip["name"] == name:
            return max(1, round(clip["seconds"] * clip["fps"])), clip["fps"]
    path = next(clip["path"] for clip in config["driving"]["clips"] if clip["name"] == name)
    if path.lower().endswith(".parquet"):
        time_s = tables.read_driving(path)[0]["time_s"].to_numpy()
        return len(time_s), float(nominal_rate(time_s, []))
    info = video_reading.probe(path)
    return info.frames, float(info.rate)


def _clip_frames(config: Mapping, clip: str) -> float:
    return _clip(config, clip)[0]


def _video_frames(config: Mapping, clip: str) -> float:
    """Frames of the video that is made of a clip, which may have another rate."""
    options, (frames, rate) = config["animations"], _clip(config, clip)
    fps = options["fps"] or rate
    return round(frames * options["slow_motion"] * fps / rate + options["loop"] * retiming.LOOP_S * fps)


def _animated(config: Mapping, clip: str) -> float:
    return _video_frames(config, clip) + STEP * _steps(config, clip)


def _retaken(config: Mapping, clip: str) -> float:
    """Frames of footage behind a clip, and steps: as many as of an animation of its length."""
    return _clip_frames(config, clip) + STEP * _steps(config, clip)


def _steps(config: Mapping, clip: str) -> float:
    """Gradient steps of a clip."""
    frames, options = _clip_frames(config, clip), config["animations"]
    steps = options["refinements"]
    return steps * min(options["poses"], frames) + step_counts.of_frame(steps) * frames / step_counts.EVERY


def _controlled(config: Mapping, name: str) -> float:
    """Gradient steps: of each face ten controls, each at four values."""
    return config["controls"]["faces"] * config["controls"]["steps"] * 10 * 4


def _disentangled(config: Mapping, name: str) -> float:
    """Drafts: two FANs drive both halves, each by itself and with gradient steps."""
    options, driving = config["evaluation"]["disentanglement"], config["driving"]
    clips = [clip["name"] for clip in (*driving["performances"], *driving["clips"])]
    frames = sum(min(options["frames"], _clip_frames(config, clip)) for clip in clips)
    steps = step_counts.ALONE * config["animations"]["refinements"]
    looks = 2 + (2 * (steps + 1) if steps else 0)
    return 2 * options["sources"] * frames * looks


def _morphed(config: Mapping, name: str) -> float:
    morph = next(morph for morph in config["morphs"] if morph["name"] == name)
    shown = 2 * morph["frames"] - 2 if morph["loop"] else morph["frames"]
    return shown + retiming.looks(morph["frames"])


def _held_out(config: Mapping, name: str) -> float:
    return 4 * config["evaluation"]["protocols"]["pairs"]  # sources, targets, augmentations, references


def _gathered(config: Mapping, name: str) -> float:
    return len(protocols.photo_sets(config["evaluation"])[name])


def _pairs_of(config: Mapping, name: str) -> int:
    """Pairs on which a method of the evaluation is scored."""
    evaluation = config["evaluation"]
    wanted = methods.by_name(config)[name].protocols
    sizes = protocols.set_sizes(evaluation, protocols.photo_sets(evaluation))
    options = protocols.Options(**evaluation["protocols"])
    drawn = protocols.draw(sizes, list(protocols.target_clips(config)), options)
    return sum(pair.protocol in wanted for pair in drawn)


def _animated_pairs(config: Mapping, method: str) -> float:
    return _pairs_of(config, method) * len(methods.by_name(config)[method].passes)


def _scored(config: Mapping, name: str) -> float:
    return sum(_animated_pairs(config, method) for method in methods.scored_together(config)[name])


def _first_pairs(config: Mapping, name: str) -> float:
    """Pictures of sources, targets and results, in the open loop and after every pass."""
    evaluation = config["evaluation"]
    return min(evaluation["first_pairs"], evaluation["protocols"]["pairs"]) * (3 + evaluation["passes"])


def _baselines(config: Mapping, name: str) -> float:
    return _scored(config, TOGETHER)


def _rows(config: Mapping, name: str) -> float:
    return config["directions"]["gallery"]["rows"]


def _one(config: Mapping, name: str) -> float:
    return 1.0


IMAGES, FRAMES = {"images": 1.0}, {"frames": 1.0}
WORK = {
    "fetch_asset": Work("jobs", _one, outputs=("../data/assets/{job}",)),
    "convert_generator": Work("jobs", _one, outputs=("generator/{job}.safetensors",)),
    "fit_draft": Work("jobs", _one, outputs=("generator/draft.zarr",)),
    "sample_latents": Work("faces", _faces, IMAGES, ("latents/{job}.zarr",)),
    "detect_landmarks": Work("faces", _faces, IMAGES, ("landmarks/{job}.parquet",)),
    "measure_reference": Work("jobs", _one, outputs=("landmarks/reference.zarr",)),
    "cluster_landmarks": Work("faces·k", _clustered, outputs=("clusters/*",)),
    "collect_directions": Work(
        "faces", _samples, outputs=("directions/directions.zarr", "directions/*.parquet")
    ),
    "draw_gallery": Work("rows", _rows, {"rows": 1.0}, ("directions/gallery.png",)),
    "augment_latents": Work("faces", _augmented, IMAGES, ("pairs/{path}.zarr",)),
    "train_fan": Work("pairs", _learned, {"pairs": 1.0}, ("fan/{job}/latent.*",)),
    "draw_goals": Work("faces", _asked, IMAGES, ("goals/{path}.zarr",)),
    "train_fan_in_image_space": Work("samples", _imagined, {"samples": 1.0}, ("fan/{job}/base.*",)),
    "finetune_fan": Work("faces", _tuned, {**IMAGES, "pairs": PAIR}, ("fan/{path}.*",)),
    "finetune_fan_in_image_space": Work("samples", _adapted, {"samples": 1.0}, ("fan/{path}.*",)),
    "train_encoder": Work("faces", _encoded, {"faces": 1.0}, ("inversion/encoder.*",)),
    "train_hfgi": Work("faces", _consulted, {"faces": 1.0}, ("inversion/hfgi.*",)),
    "pack_bundle": Work("jobs", _one, outputs=("bundle/*.safetensors",)),
    "unpack_bundle": Work("jobs", _one, outputs=("bundle/*",)),
    "sample_source": Work("jobs", _one, outputs=("sources/{job}",)),
    "align_source": Work("jobs", _one, outputs=("sources/{job}/al*",)),
    "hold_out_source": Work("jobs", _one, outputs=("sources/held-out-{job}",)),
    "detect_pose": Work("jobs", _one, outputs=("sources/{job}/pose.parquet",)),
    "invert_source": Work("steps", _inverted, {"steps": 1.0}, ("sources/{job}/[irt]*",)),
    "perform_driver": Work("frames", _clip_frames, FRAMES, ("driving/{job}.mp4",), wildcard="performance"),
    "track_driving": Work("frames", _clip_frames, FRAMES, ("driving/{job}.parquet",), wildcard="tracked"),
    "import_driving": Work("frames", _clip_frames, FRAMES, ("driving/{job}.*",), wildcard="table"),
    "measure_controls": Work("steps", _controlled, {"steps": 1.0}, ("controls/*",)),
    "combine_driving": Work("frames", _clip_frames, FRAMES, ("driving/{job}.*",), wildcard="combination"),
    "invert_cast": Work("jobs", _one, outputs=("footage/{job}.cast.zarr",)),
    "invert_footage": Work(
        "frames", _clip_frames, FRAMES, ("footage/{job}.zarr", "footage/{job}.sheet.png"), wildcard="footage"
    ),
    "animate_footage": Work(
        "frames",
        _retaken,
        {"frames": 1.0, "steps": STEP},
        ("footage/{job}.mp4", "footage/{job}.la*"),
        wildcard="clip",
    ),
    "compare_footage": Work(
        "frames", _clip_frames, FRAMES, ("footage/{job}--s*", "footage/{job}.sheet.png"), wildcard="clip"
    ),
    "measure_footage": Work(
        "frames", _clip_frames, FRAMES, ("footage/{job}.figures.parquet",), wildcard="clip"
    ),
    "measure_disentanglement": Work(
        "drafts", _disentangled, {"drafts": 1.0}, ("evaluation/disentanglement.*",)
    ),
    "animate": Work(
        "frames",
        _animated,
        {"frames": 1.0, "steps": STEP},
        ("animations/{job}.mp4", "animations/{job}.la*"),
        wildcard="clip",
    ),
    "compare_motion": Work(
        "frames",
        _video_frames,
        FRAMES,
        ("animations/{job}--s*", "animations/{job}.sheet.png"),
        wildcard="clip",
    ),
    "measure_animation": Work(
        "frames", _video_frames, FRAMES, ("animations/{job}.figures.parquet",), wildcard="clip"
    ),
    "paste_back": Work("frames", _video_frames, FRAMES, ("animations/{job}.mp4",), wildcard="clip"),
    "extract_frames": Work("frames", _video_frames, FRAMES, ("animations/{job}--frames",), wildcard="clip"),
    "morph": Work("frames", _morphed, {"frames": 1.0, "looks": 1.0}, ("morphs/{job}.*",), wildcard="morph"),
    "draw_pairs": Work("jobs", _one, outputs=("evaluation/pairs.parquet",)),
    "hold_out_faces": Work("faces", _held_out, IMAGES, ("evaluation/faces/held-out*",)),
    "gather_faces": Work(
        "photos",
        _gathered,
        IMAGES,
        ("evaluation/faces/{job}", "evaluation/faces/{job}.*"),
        wildcard="photo_set",
    ),
    "take_frames": Work("jobs", _one, outputs=("evaluation/faces/{job}*",)),
    "take_first_frame": Work("jobs", _one, outputs=("evaluation/first-frames/{job}.png",)),
    "animate_pairs": Work(
        "images",
        _animated_pairs,
        IMAGES,
        ("evaluation/frames/{job}", "evaluation/steps/{job}.parquet"),
        wildcard="method",
    ),
    "make_baselines": Work("images", _baselines, IMAGES, ("evaluation/frames/control-*",)),
    "evaluate_first_pairs": Work("images", _first_pairs, IMAGES, ("evaluation/first-pairs.*",)),
    "score_frames": Work("images", _scored, IMAGES, ("evaluation/scores/{job}.parquet",), wildcard="scored"),
    "measure_realism": Work("jobs", _one, outputs=("evaluation/realism/{job}.parquet",)),
    "fetch_inception": Work("jobs", _one, outputs=("evaluation/inception.json",)),
    "summarize_evaluation": Work("jobs", _one, outputs=("evaluation/table.*",)),
    "summarize_ablations": Work("jobs", _one, outputs=("evaluation/ablations.*",)),
    "show_pairs": Work("jobs", _one, outputs=("evaluation/pairs.png",)),
    "collect_videos": Work("jobs", _one, outputs=("evaluation/videos.parquet",)),
    "write_report": Work("jobs", _one, outputs=("evaluation/report.html",)),
}
