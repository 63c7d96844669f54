"""`d2a animate` and `d2a morph` on a workflow of a few shell rules: caching, mistakes, names."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from d2a_core.commands import animate as animate_command
from d2a_core.commands import morph as morph_command
from d2a_core.commands.cli import main
from d2a_core.commands.morph_requests import MorphRequest
from d2a_core.commands.requests import Request
from d2a_core.config import check, merged
from d2a_core.media import images
from d2a_core.store import tables

ROOT = Path(__file__).parents[2]

SCHEMA_OF_ALL = yaml.safe_load((ROOT / "schemas" / "config.schema.yaml").read_text())


def test_a_second_call_computes_nothing_and_gives_the_same(place, run):
    first = run()
    assert first.exit_code == 0, first.stderr
    assert sorted(place.ran()) == ["animate", "invert_source", "track_driving"]
    lines = first.stderr.splitlines()
    assert sorted(line[0] for line in lines) == [" ", *["✓"] * 5]  # one line a stage
    assert f"  video: {place.home / 'out.mp4'}" in lines
    assert first.stdout.splitlines()[-1].startswith("follows its driver: yaw 0.50, mouth 0.50")
    shown = dict(line.split(maxsplit=1) for line in first.stdout.splitlines() if line.startswith(("v", "l")))
    assert Path(shown["video"]) == place.home / "out.mp4" and Path(shown["log"]).is_file()
    os.utime(place.home / "me.png")  # touched, and moved
    shutil.move(place.home / "me.png", place.home / "portrait.png")
    second = run(source="portrait.png", output="again.mp4")
    assert (second.exit_code, place.ran()) == (0, [])
    assert second.stderr == "Every stage was done before\n"
    assert (place.home / "again.mp4").read_bytes() == (place.home / "out.mp4").read_bytes()


def test_a_video_that_cannot_be_measured_is_delivered(place, run):
    place.make("measure.fail")
    ended = run()
    assert ended.exit_code == 1 and "✗ measure animation" in ended.stderr
    assert "motion" in (place.home / "out.mp4").read_text()


@pytest.mark.slow
def test_a_motion_option_reruns_only_the_animation_and_a_method_only_the_source(place, run):
    assert run().exit_code == 0
    place.ran()
    ended = run(motion_scale=1.5)
    assert (ended.exit_code, place.ran()) == (0, ["animate"])
    assert "motion_scale: 1.5" in (place.home / "out.mp4").read_text()
    assert run(method="encoder").exit_code == 0
    assert sorted(place.ran()) == ["animate", "invert_source"]


def test_a_home_that_cannot_be_written_stops_nothing(place, run, monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    ended = run()
    assert ended.exit_code == 0, ended.stderr
    assert (place.work / ".snakemake" / "cache").is_dir()


@pytest.fixture(params=["beside", "elsewhere"])
def odd_folder(request, tmp_path):
    """A folder with an odd name, on the file system of the project or on another."""
    where = tmp_path if request.param == "beside" else Path("/dev/shm")
    if not where.is_dir():
        pytest.skip("there is no file system in memory")
    folder = Path(tempfile.mkdtemp(prefix="wörk {x} %d $HOME 'a' ", dir=where))
    yield folder
    shutil.rmtree(folder)


def test_odd_names_of_files_and_folders_on_any_file_system_are_no_matter(place, run, odd_folder):
    shutil.move(place.home / "me.png", place.home / "-mein Föto {1} %d.png")
    (place.home / "link.mp4").symlink_to(place.home / "talk.mp4")
    ended = run(
        source="-mein Föto {1} %d.png", driving="link.mp4", work=odd_folder / "-w", output="-öut {y}/%d.mp4"
    )
    assert ended.exit_code == 0, ended.stderr
    assert "motion" in (place.home / "-öut {y}" / "%d.mp4").read_text()
    copies = sorted(path.name for path in (odd_folder / "-w" / "data" / "inputs").iterdir())
    assert [re.sub("[0-9a-f]{12}", "…", name) for name in copies] == ["link-….mp4", "mein-Foto-1-d-….png"]


def test_no_ablation_is_read_for_a_command(place, run):
    """Their rules take Snakemake as long as all others."""
    named = "ablations: {sefa: {directions: {method: sefa}}}"
    text = (place.root / "config.yaml").read_text().replace("ablations: {}", named)
    (place.root / "config.yaml").write_text(text)
    assert run(dry_run=True).exit_code == 0
    (overlay,) = (place.work / "results" / ".state" / "animate").glob("*.yaml")
    evaluation = yaml.safe_load(overlay.read_text())["evaluation"]
    none = {"latents_shards": [], "pairs_shards": []}
    assert evaluation == {"ablations": {"sefa": None}, "scaling": none}


def test_a_dry_run_computes_nothing(place, run):
    ended = run(dry_run=True)
    assert (ended.exit_code, place.ran()) == (0, [])
    assert "would run invert source (1)\n" in ended.stderr
    assert not (place.home / "out.mp4").exists()


@pytest.fixture
def four(place):
    """Two photos of one name, two clips, and what makes four videos of them."""
    photos = place.home / "me.png", place.add("other", "me.png")
    clips = place.home / "talk.mp4", place.add("", "sing.mp4")
    words = ["animate", *photos, "--driving", *clips, "--work", place.work, "--cores", 1]
    return lambda *more: CliRunner().invoke(main, [str(word) for word in (*words, *more)])


def videos(folder):
    return sorted(path.name for path in folder.glob("*--*.mp4"))


def test_a_matrix_is_one_run_in_which_every_stage_runs_once_for_each_file(place, four):
    ended = four("--output", place.home / "out")
    assert ended.exit_code == 0, ended.stderr
    assert sorted(place.ran()) == ["animate"] * 4 + ["invert_source"] * 2 + ["track_driving"] * 2
    assert videos(place.home / "out") == [f"me--{end}.mp4" for end in ("sing-2", "sing", "talk-2", "talk")]
    rows = ended.stdout.splitlines()
    given = [str(place.home / name) for name in ("me.png", "other/me.png", "talk.mp4", "sing.mp4")]
    named = [str(place.home / "out" / f"me--{end}.mp4") for end in ("talk", "sing", "talk-2", "sing-2")]
    told = [[given[number // 2], given[2 + number % 2], named[number]] for number in range(4)]
    assert [row.split() for row in rows[:8:2]] == told
    assert all(row.startswith("  follows its driver: yaw 0.50") for row in rows[1:8:2])
    assert rows[8].startswith("log ") and len(rows) == 9
    (overlay,) = (place.work / "results" / ".state" / "animate").glob("*.yaml")
    entries = yaml.safe_load(overlay.read_text())
    assert (len(entries["sources"]), len(entries["driving"]["clips"])) == (2, 2)
    again = four("--output", place.home / "again")
    assert (again.exit_code, place.ran(), again.stderr) == (0, [], "Every stage was done before\n")
    assert videos(place.home / "again") == videos(place.home / "out")


def test_a_pair_that_fails_costs_no_other(place, four):
    (place.root / "track_driving.fail").write_text("sing")
    ended = four()
    assert ended.exit_code == 1
    assert sorted(place.ran()) == ["animate"] * 2 + ["invert_source"] * 2 + ["track_driving"] * 2
    assert videos(place.home) == ["me--talk-2.mp4", "me--talk.mp4"]
    told = [line.split("  ")[-1] for line in ended.stdout.splitlines() if "sing" in line]
    assert told == [f"failed: no face found on {place.home / 'sing.mp4'}; give another photo"] * 2
    assert "✗ track driving          failed" in ended.stderr
    (place.root / "track_driving.fail").unlink()
    again = four()
    assert again.exit_code == 0, again.stderr
    assert sorted(place.ran()) == ["animate"] * 2 + ["track_driving"]
    assert len(videos(place.home)) == 4


@pytest.mark.slow
def test_an_old_video_is_not_delivered_where_the_new_one_fails(place, four):
    assert four("--output", place.home / "old").exit_code == 0
    (place.root / "animate.fail").write_text("motion_scale: 1.5")
    ended = four("--output", place.home / "new", "--motion-scale", 1.5)
    assert ended.exit_code == 1 and ended.stdout.count("failed: no face found") == 4
    assert videos(place.home / "new") == []


def test_a_matrix_that_cannot_begin_is_one_sentence(place, four):
    (place.root / "Snakefile").write_text("raise ValueError('no')")
    ended = four()
    assert ended.exit_code == 1 and ended.stdout == ""
    assert "Error: the workflow did not start; look at" in ended.stderr


def test_a_dry_run_of_a_matrix_tells_the_stages_of_all_jobs(place, four):
    ended = four("--dry-run")
    assert (ended.exit_code, place.ran()) == (0, [])
    assert "would run animate (4)\n" in ended.stderr and ended.stdout.startswith("log ")


@pytest.fixture
def crowd(monkeypatch):
    """Photos on which so many faces are found."""
    searched = []

    def count(photo, models, threads):
        searched.append(photo.name)
        return crowd.faces

    crowd = SimpleNamespace(faces=2, searched=searched)
    monkeypatch.setattr(animate_command, "_count", count)
    return crowd


def test_every_face_of_a_photo_is_a_source_and_one_video_shows_them_all(place, run, crowd):
    ended = run(face="all")
    assert ended.exit_code == 0, ended.stderr
    stages = ["animate"] * 2 + ["fetch_asset"] + ["invert_source"] * 2 + ["paste_back", "track_driving"]
    assert sorted(place.ran()) == stages
    name = crowd.searched[0].removesuffix(".png")
    moved = (place.home / "out.mp4").read_text().split()
    assert [path.split("--")[0] for path in moved] == [
        f"results/animations/{name}",
        f"results/animations/{name}-face-2",
    ]
    shown = [line.split()[:2] for line in ended.stdout.splitlines()]
    assert shown[0] == ["all", "faces"] and ["face", "1"] in shown and ["sheet", "2"] in shown
    lines = ended.stdout.splitlines()[-2:]
    assert [line.split(" follows")[0] for line in lines] == ["face 1:", "face 2:"]
    again = run(face="all", output="again.mp4")
    assert (again.exit_code, place.ran(), again.stderr) == (0, [], "Every stage was done before\n")


def test_a_photo_on_which_no_face_is_found_is_left_to_the_stage_that_says_so(place, run, crowd):
    crowd.faces = 0
    place.make("invert_source.fail")
    ended = run(face="all")
    assert ended.exit_code == 1
    assert ended.stderr.splitlines()[-1].startswith(f"Error: no face found on {place.home / 'me.png'}")


def test_a_dry_run_that_cannot_look_for_faces_says_how_to(run, crowd):
    ended = run(face="all", dry_run=True)
    assert ended.exit_code == 1
    assert "run d2a fetch mediapipe-face --folder" in ended.stderr and crowd.searched == []


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


def test_clips_of_parts_become_a_combination_whose_name_tells_who_moves_what(place):
    talk, sing = place.home / "talk.mp4", place.home / "sing.mp4"
    sing.write_bytes(talk.read_bytes() + b"\0")

    def plan(**drivers):
        request = Request(source="seed:21", output=place.home / "o.mp4", work=place.work, **drivers)
        overlay = animate_command.make_plan(request, place.work).overlay
        check(merged(yaml.safe_load((ROOT / "config.yaml").read_text()), overlay), SCHEMA_OF_ALL)
        return overlay["driving"]

    dubbed = plan(driving=talk, lips_from=sing)
    talking, singing = (clip["name"] for clip in dubbed["clips"])
    (entry,) = dubbed["combinations"]
    name = entry.pop("name")
    assert entry == {"pose": talking, "expression": talking, "lips": singing}
    assert name.startswith("talk-and-sing-")
    other, alone = plan(driving=talk, eyes_from=sing), plan(lips_from=sing)
    assert other["combinations"][0]["name"] != name
    assert [(*clip,) for clip in alone["combinations"]] == [("name", "lips")]
    assert plan(pose_from=talk)["combinations"] == plan(driving=talk)["combinations"] == []
    one = plan(pose_from=talk, expression_from=talk)
    assert len(one["clips"]) == 1 and one["combinations"][0]["expression"] == talking


def test_the_face_that_drives_is_a_clip_of_its_own_in_the_config(place):
    def plan(**options):
        request = Request(
            source="seed:21", driving=place.home / "talk.mp4", work=place.work, dry_run=True, **options
        )
        found = animate_command.make_plan(request, place.work)
        check(merged(yaml.safe_load((ROOT / "config.yaml").read_text()), found.overlay), SCHEMA_OF_ALL)
        return found

    whoever, second = plan(), plan(driver_face=2)
    assert plan(driver_face=0) == whoever
    (plain,), (chosen,) = (found.overlay["driving"]["clips"] for found in (whoever, second))
    assert plain.keys() == {"name", "path"}
    assert chosen == {**plain, "name": f"{plain['name']}-face-2", "face": 2}
    assert second.results["video"] == f"results/animations/seed-21--{chosen['name']}.mp4"
    assert second.copies == whoever.copies


def test_a_video_is_a_source_among_the_clips_and_its_results_lie_with_the_footage(place):
    talk, sing = place.home / "talk.mp4", place.home / "sing.mp4"
    sing.write_bytes(talk.read_bytes() + b"\0")

    def plan(source, **drivers):
        request = Request(source=str(source), output=place.home / "o.mp4", work=place.work, **drivers)
        found = animate_command.make_plan(request, place.work)
        check(merged(yaml.safe_load((ROOT / "config.yaml").read_text()), found.overlay), SCHEMA_OF_ALL)
        return found

    found = plan(sing, driving=talk)
    footage, driver = found.overlay["driving"]["clips"]
    assert footage["name"].startswith("sing-") and driver["name"].startswith("talk-")
    assert "sources" not in found.overlay
    stem = f"results/footage/{footage['name']}--{driver['name']}"
    assert found.results["video"] == f"{stem}.mp4" and found.results["figures"] == f"{stem}.figures.parquet"
    assert found.wanted["video"] == place.home / "o.mp4"
    assert found.copies == {footage["path"]: str(sing), driver["path"]: str(talk)}
    own = plan(talk, lips_from=talk).overlay["driving"]
    assert own["clips"] == [driver] and own["combinations"][0]["lips"] == driver["name"]


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
