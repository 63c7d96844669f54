"""`d2a studio` as a user meets it: in a browser, on a small finished project."""

import contextlib
import io
import json
import os
import shutil
import signal
import statistics
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from skimage import data
from studio_page import choose, settled, tab, until, wait_until

from d2a_core.media import video_reading

NAMED = ("button", "slider", "combobox", "checkbox", "spinbutton", "link", "tab", "tabpanel", "progressbar")
SHOWN = Path(os.environ.get("D2A_SCREENSHOTS", "")) if os.environ.get("D2A_SCREENSHOTS") else None
TABS = ("Face", "Sliders", "Directions", "Animate", "Files")


def _pixels(page):
    """What the picture shows, 64×64."""
    script = """async (image) => {
        const canvas = new OffscreenCanvas(64, 64), context = canvas.getContext("2d");
        context.drawImage(image, 0, 0, 64, 64);
        return [...context.getImageData(0, 0, 64, 64).data];
    }"""
    return np.array(page.locator("#now").evaluate(script), float)


def _change(first, second):
    return np.abs(first - second).mean()


def _slider(page):
    """The slider that turns the head."""
    tab(page, "Sliders")
    return page.get_by_label("Turn right")


def _measured(page, name):
    return page.evaluate("name => performance.getEntriesByName(name).map(entry => entry.duration)", name)


@contextlib.contextmanager
def _draft_then_full(page):
    """What is done within makes the page show a draft, however briefly, and then the full size."""
    before = len(_measured(page, "draft"))
    yield
    until(page, f"performance.getEntriesByName('draft').length > {before}")
    page.wait_for_selector("#now[data-size=full]")


def _photo(folder):
    path = folder / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


def _save(page, link):
    """Bytes and name of what a link downloads."""
    with page.expect_download() as started:
        page.get_by_role("link", name=link, exact=True).click()
    return Path(started.value.path()).read_bytes(), started.value.suggested_filename


def test_a_slider_changes_the_picture_first_as_a_draft_and_then_in_full(face):
    before = _pixels(face)
    slider = _slider(face)
    slider.focus()
    with _draft_then_full(face):
        for _ in range(25):
            face.keyboard.press("ArrowRight")
    after = _pixels(face)
    assert _change(before, after) > 2
    assert slider.get_attribute("aria-valuetext").split()[0] not in ("0", "")
    with _draft_then_full(face):
        face.get_by_role("button", name="Reset").click()
    assert _change(before, _pixels(face)) < 0.5
    assert statistics.median(_measured(face, "draft")) < 15_000  # the bar is for a quiet machine


def test_the_comparison_shows_the_face_before_and_after(face):
    slider = _slider(face)
    slider.fill(slider.get_attribute("max"))
    face.wait_for_selector("#now[data-size=full]")
    face.get_by_label("Compare", exact=True).check()
    cut = face.get_by_label("Before ◂ ▸ after")
    frame = face.locator("#frame")
    shots = {}
    for share in ("0", "100"):
        cut.fill(share)
        shots[share] = np.asarray(Image.open(io.BytesIO(frame.screenshot())).convert("RGB"), float)
    assert _change(shots["0"], shots["100"]) > 2
    assert cut.get_attribute("aria-valuetext") == "100 percent before"


def test_the_full_size_tells_what_was_reached_and_is_what_is_saved(face):
    slider = _slider(face)
    slider.focus()
    for _ in range(10):
        face.keyboard.press("ArrowRight")
    face.wait_for_selector("#now[data-size=full]")
    assert "Reached:" in face.locator("#caption").inner_text()
    picture, _ = _save(face, "Save PNG")
    told = json.loads(Image.open(io.BytesIO(picture)).text["reached"])
    assert set(told) == set(json.loads(Image.open(io.BytesIO(picture)).text["asked"])) and told


def test_facing_the_camera_moves_the_sliders(face):
    with _draft_then_full(face):
        face.get_by_role("button", name="Face the camera").click()
    turned = face.locator("#sliders input").evaluate_all(
        "all => all.filter(one => Number(one.value) !== 0).length"
    )
    assert turned >= 1


def test_a_direction_changes_the_picture_as_its_strength_says(face):
    before = _pixels(face)
    tab(face, "Directions")
    face.wait_for_selector("#gallery img[src]")
    with _draft_then_full(face):
        face.get_by_role("button", name="Next").click()
    along = _pixels(face)
    assert _change(before, along) > 2
    assert face.locator("#gallery button[aria-pressed=true]").count() == 1
    with _draft_then_full(face):
        face.get_by_label("Strength").fill("-1")
    assert _change(along, _pixels(face)) > 2


def test_the_edited_face_is_saved_as_picture_and_latents(face):
    slider = _slider(face)
    slider.fill(slider.get_attribute("max"))
    face.wait_for_selector("#now[data-size=full]")
    picture, name = _save(face, "Save PNG")
    assert name == "anna-edited.png"
    assert Image.open(io.BytesIO(picture)).size == (1024, 1024)
    code, _ = _save(face, "Save latents")
    found = np.load(io.BytesIO(code))
    assert found.shape[0] == 1 and found.shape[2] == 512 and found.dtype == np.float32


def test_a_photo_becomes_a_face_with_sliders(page, tmp_path):
    page.get_by_label("Photo of a face").set_input_files(_photo(tmp_path))
    page.get_by_text("astronaut.png can be used.").wait_for()
    page.get_by_role("button", name="Prepare this photo").click()
    page.get_by_role("progressbar").first.wait_for()
    assert settled(page) == "Done"
    page.wait_for_selector("#now[data-size=full]")
    assert page.get_by_label("Faces that are ready").input_value().startswith("astronaut-")
    assert page.locator("#sliders input").count() >= 1


def test_a_photo_that_comes_moves_before_it_is_prepared(page, studio, tmp_path):
    page.get_by_label("Photo of a face", exact=True).set_input_files(_photo(tmp_path))
    page.wait_for_selector("#first-look:not([hidden])")
    shown = page.locator("#first-look")
    until(page, "document.getElementById('first-look').currentTime > 0.2")
    assert shown.evaluate("video => [video.videoWidth, video.duration > 3]") == [512, True]
    (kept,) = (studio.work / "results" / "sources").glob("astronaut-*.preview.mp4")
    frames = [frame.image.astype(float) for frame in video_reading.read_frames(kept)]
    assert max(np.abs(frame - frames[0]).mean() for frame in frames) > 1
    assert np.abs(frames[20] - frames[0])[:40, :40].mean() < 2  # the backdrop is the photo's


def test_the_first_face_waits_until_fan_is_trained(start, finished, visit, tmp_path):
    untrained = finished.copy(tmp_path / "untrained")
    (untrained.folder / "results" / "fan" / "all" / "base.pt").unlink()
    page = visit(of=start(untrained))
    page.get_by_label("Faces that are ready").select_option("anna")
    page.get_by_role("progressbar", name="train fan in image space").wait_for()
    assert settled(page) == "Done"
    page.wait_for_selector("#now[data-size=full]")
    assert page.locator("#now").get_attribute("alt").startswith("anna")


@pytest.mark.parametrize(("field", "tabs"), [("Photo of a face", "Face"), ("Your own clip", "Animate")])
def test_a_text_file_with_the_name_of_a_picture_is_one_sentence(page, tmp_path, field, tabs):
    (tmp_path / "me.jpg").write_text("just words")
    tab(page, tabs)
    page.get_by_label(field).set_input_files(tmp_path / "me.jpg")
    alert = page.get_by_role("alert")
    alert.wait_for()
    told = alert.inner_text()
    assert told.startswith("me.jpg ") and "\n" not in told and "Traceback" not in told
    assert page.get_by_role("button", name="Prepare this photo", include_hidden=True).is_disabled()


def test_a_seed_that_is_none_is_one_sentence(page):
    page.get_by_label("Seed").fill("1.5")
    page.get_by_role("button", name="Make this face").click()
    page.get_by_role("alert").wait_for()
    assert "a seed is a whole number, such as seed:21" in page.get_by_role("alert").inner_text()


def test_a_short_clip_is_animated_and_can_be_saved(face, finished, tmp_path):
    clip = shutil.copy(finished.folder / "results" / "driving" / "performance.mp4", tmp_path / "mine.mp4")
    tab(face, "Animate")
    face.get_by_label("Your own clip").set_input_files(clip)
    until(face, "document.getElementById('driver').value.startsWith('data/inputs/')")
    face.get_by_role("button", name="Animate", exact=True).click()
    face.get_by_role("progressbar").first.wait_for()
    assert settled(face) == "Done"
    playable = (
        "document.getElementById('video').readyState >= 2 && document.getElementById('video').videoWidth"
    )
    assert until(face, playable) == 1024
    video, name = _save(face, "Save video")
    assert video[4:8] == b"ftyp" and name.endswith(".mp4")
    sheet, _ = _save(face, "Save contact sheet")
    assert Image.open(io.BytesIO(sheet)).format == "PNG"
    latents, _ = _save(face, "Save latents of all frames")
    assert zipfile.ZipFile(io.BytesIO(latents)).testzip() is None
    face.get_by_label("Show").select_option("contact sheet")
    assert until(face, "document.getElementById('sheet').naturalWidth") > 100


def test_wrong_options_are_refused_before_anything_runs(face):
    tab(face, "Animate")
    face.locator("summary").click()
    face.get_by_label("Neutral moment").fill("99")
    face.get_by_role("button", name="Animate", exact=True).click()
    face.get_by_role("alert").wait_for()
    assert "lasts" in face.get_by_role("alert").inner_text()
    assert face.locator("#job").is_hidden()


@pytest.mark.parametrize("part", ["Expression from", "Lips from", "Eyes from"])
def test_a_part_of_the_face_may_follow_a_clip_of_its_own(face, part):
    """With a neutral moment it may not, which tells without a render that both were asked for."""
    tab(face, "Animate")
    face.locator("summary").click()
    clip = face.get_by_label("Driver").input_value()
    face.get_by_label(part).select_option(clip)
    face.get_by_label("Neutral moment").fill("0")
    face.get_by_role("button", name="Animate", exact=True).click()
    face.get_by_role("alert").wait_for()
    assert "put together" in face.get_by_role("alert").inner_text()


def _animate(page, scale):
    """Start an animation that has not been made before."""
    tab(page, "Animate")
    if not page.get_by_label("All motion").is_visible():
        page.locator("summary").click()
    page.get_by_label("All motion").fill(scale)
    page.get_by_role("button", name="Animate", exact=True).click()
    page.locator("#job").wait_for()


def test_cancelling_leaves_nothing_running(face, studio):
    _animate(face, "1.1")
    face.get_by_role("progressbar").first.wait_for()
    wait_until(studio.jobs_running, "no job has started")
    face.get_by_role("button", name="Cancel").click()
    assert settled(face).startswith("Cancelled")
    assert studio.jobs_running() == []
    assert not list((studio.work / ".snakemake" / "locks").glob("*"))


def test_a_second_user_waits_in_the_queue_and_can_go_on_looking(visit, studio):
    first, second = visit(), visit()
    for page in (first, second):
        choose(page)
    _animate(first, "1.2")
    wait_until(studio.jobs_running, "no job has started")
    _animate(second, "1.3")
    second.get_by_text("Waiting for the job before it").wait_for()
    slider = _slider(second)
    before = _pixels(second)
    slider.fill(slider.get_attribute("max"))
    second.wait_for_selector("#now[data-size=full]")
    assert _change(before, _pixels(second)) > 2
    assert _slider(first).get_attribute("aria-valuetext").startswith("0")
    second.get_by_role("button", name="Cancel").click()
    assert settled(second).startswith("Cancelled")
    first.reload()  # the job is found again
    first.get_by_role("button", name="Cancel").click()
    assert settled(first).startswith("Cancelled")
    assert studio.jobs_running() == []


def test_a_picture_and_a_clip_come_from_the_camera(page):
    page.get_by_role("button", name="Take one with the camera").click()
    until(page, "document.getElementById('finder').videoWidth > 0")
    page.get_by_role("button", name="Take a picture").click()
    page.get_by_text("camera.png can be used.").wait_for()
    tab(page, "Animate")
    page.get_by_role("button", name="Use the camera").click()
    until(page, "document.getElementById('finder').videoWidth > 0")
    page.get_by_role("button", name="Record").click()
    until(page, "/camera-.*webm$/.test(document.getElementById('driver').value)")


def test_artefacts_are_listed_described_and_shown(page):
    tab(page, "Files")
    page.get_by_role("button", name="directions/").click()
    page.get_by_role("button", name="catalogue.parquet").click()
    page.get_by_text("table of").wait_for()
    assert "mouth_opening" in page.locator("#detail-text").inner_text()
    page.get_by_role("button", name="gallery.png").click()
    assert until(page, "document.getElementById('detail-picture').naturalWidth") > 100
    _, name = _save(page, "Download")
    assert name == "gallery.png"


def test_every_input_has_a_name_for_those_who_do_not_see(face):
    session = face.context.new_cdp_session(face)
    checked = 0
    for name in TABS:
        tab(face, name)
        face.wait_for_timeout(300)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        found = [node for node in nodes if node.get("role", {}).get("value") in NAMED and not node["ignored"]]
        checked += len(found)
        assert [node for node in found if not node.get("name", {}).get("value", "").strip()] == []
    assert checked > 60
    assert face.locator("img:not([alt])").count() == 0
    assert face.evaluate("document.documentElement.lang") == "en"


def test_the_keyboard_alone_reaches_tabs_and_sliders(face):
    face.get_by_role("tab", name="Sliders").focus()
    face.keyboard.press("ArrowRight")
    assert face.get_by_role("tab", name="Directions").get_attribute("aria-selected") == "true"
    face.keyboard.press("ArrowLeft")
    face.keyboard.press("Tab")
    assert face.evaluate("document.activeElement.type") == "range"
    face.keyboard.press("End")
    wanted = face.evaluate("document.activeElement.max")
    assert float(face.evaluate("document.activeElement.value")) == pytest.approx(float(wanted), abs=0.5)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_page_fits_the_screen(visit, size):
    page = visit(size)
    choose(page)
    for name in TABS:
        tab(page, name)
        page.wait_for_timeout(2500 if name == "Directions" else 400)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        box = page.locator("#frame").bounding_box()
        assert box["y"] >= 0 and box["height"] > 150  # the picture stays in sight
        if SHOWN:
            SHOWN.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SHOWN / f"{size}-{name.lower()}.png")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Host": "evil.example"}, "does not answer to the name"),
        ({"Origin": "https://evil.example"}, "may not"),
        ({"Sec-Fetch-Site": "cross-site"}, "may not"),
    ],
)
def test_other_pages_may_not_use_the_studio(studio, headers, told):
    asked = urllib.request.Request(f"{studio.address}api/state", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code == 403 and told in refused.value.read().decode()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_end_of_the_server_is_the_end_of_its_jobs(start, visit, how):
    studio = start()
    page = visit(of=studio)
    page.get_by_role("button", name="Make this face").click()
    wait_until(studio.jobs_running, "no job has started")
    said = studio.end(how)
    assert studio.jobs_running() == []
    assert "Traceback" not in said
    page.get_by_role("alert").wait_for()
    assert "still running?" in page.get_by_role("alert").inner_text()


def test_the_server_itself_talks_to_no_other_machine(studio, face):
    connections = psutil.Process(studio.process.pid).net_connections()
    ends = [end.ip for connection in connections for end in (connection.laddr, connection.raddr) if end]
    assert ends and set(ends) == {"127.0.0.1"}
