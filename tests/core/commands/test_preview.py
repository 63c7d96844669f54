import os
import threading

import numpy as np
import pytest

import d2a_core
from d2a_core import config
from d2a_core.commands import preview, previewer
from d2a_core.commands.requests import Request
from d2a_core.media import images

WHOLE = config.configuration(d2a_core.ROOT, [])


@pytest.fixture
def files(tmp_path):
    """A photo and a clip; plans copy them and look no closer."""
    images.write_image(np.zeros((64, 64, 3), np.uint8), tmp_path / "me.png")
    for name in ("talk.mp4", "sing.mp4", "table.parquet"):
        (tmp_path / name).write_bytes(b"PAR1" if name.endswith(".parquet") else name.encode())
    return tmp_path


def plan(files, **options):
    given = {"source": str(files / "me.png"), "driving": files / "talk.mp4", "work": files / "work"}
    return preview.make_plan(Request(**{**given, **options}), files / "work").results


def test_a_preview_of_a_photo_leaves_what_the_true_animation_begins_with(files):
    results = plan(files)
    assert results["aligned"].startswith("results/sources/me-") and results["aligned"].endswith(
        "/aligned.png"
    )
    assert results["driver"].startswith("results/driving/talk-") and results["driver"].endswith(".parquet")
    assert not {"code", "drawn"} & results.keys()  # the slow parts are what it does without
    assert results["fan"] == "results/bundle/fan/all/base.pt" and "encoder" in results


def test_a_made_up_face_has_its_code_at_once(files):
    assert plan(files, source="seed:7")["code"] == "results/sources/seed-7/inversion.zarr"


@pytest.mark.parametrize(
    "options", [{"driving": "table.parquet"}, {"lips_from": "sing.mp4"}], ids=["table", "parts of clips"]
)
def test_what_has_no_frames_is_drawn_by_the_workflow(files, options):
    results = plan(files, **{name: files / path for name, path in options.items()})
    assert results["drawn"] == results["driver"].replace(".parquet", ".mp4")


def test_a_fan_that_is_trained_here_comes_without_an_encoder():
    trained = config.merged(WHOLE, {"fan": {"weights": "train"}})
    movers = preview.movers(trained, d2a_core.ROOT)
    assert movers["fan"] == "results/fan/all/base.pt" and "encoder" not in movers


@pytest.fixture
def loads(monkeypatch):
    """Counts how often the networks are loaded, and loads none."""
    calls = []
    monkeypatch.setattr(previewer, "Previewer", lambda *given, **options: calls.append(given) or len(calls))
    return calls


def made(work):
    for path in preview.movers(WHOLE, work).values():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(b"")


@pytest.fixture
def ended():
    """Events of a run that has ended well."""
    done, in_vain = threading.Event(), threading.Event()
    done.set()
    return done, in_vain


def test_what_is_there_is_loaded_while_the_workflow_looks(tmp_path, loads, ended):
    made(tmp_path)
    assert preview._loaded(tmp_path, WHOLE, 1, *ended) == 1 and len(loads) == 1


def test_what_the_workflow_makes_anew_is_loaded_anew(tmp_path, loads, ended, monkeypatch):
    made(tmp_path)
    found = iter([[(1, 0)], [(1, 0)], [(2, 0)]])
    monkeypatch.setattr(preview, "states", lambda files: next(found))
    assert preview._loaded(tmp_path, WHOLE, 1, *ended) == 2


def test_a_file_is_another_when_it_was_replaced_and_not_when_it_was_touched(tmp_path):
    kept = tmp_path / "kept"
    assert preview.states([kept]) == [None]
    kept.write_bytes(b"one")
    before = preview.states([kept])
    os.utime(kept, (1, 1))
    assert preview.states([kept]) == before
    (tmp_path / "new").write_bytes(b"two")
    (tmp_path / "new").rename(kept)
    assert preview.states([kept]) != before


def test_nothing_is_loaded_after_a_run_that_failed(tmp_path, loads, ended):
    made(tmp_path)
    ended[1].set()
    with pytest.raises(ValueError, match="the workflow has failed"):
        preview._loaded(tmp_path, WHOLE, 1, *ended)
    assert loads == []


def test_one_preview_that_fails_costs_no_other(monkeypatch, tmp_path):
    def made(request):
        if request.source == "seed:1":
            raise ValueError("no face found on the source")
        return {"preview": request.output}

    monkeypatch.setattr(preview, "preview", made)
    wanted = [Request(source=f"seed:{n}", output=tmp_path / f"{n}.mp4", work=tmp_path) for n in (1, 2)]
    failed, other = preview.preview_all(wanted)
    assert failed.reason == "no face found on the source" and failed.paths == {}
    assert other.reason is None and other.paths == {"preview": tmp_path / "2.mp4"}
