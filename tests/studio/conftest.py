"""A studio on a finished project, and a headless Chromium that looks at it."""

import functools
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.sync_api import sync_playwright
from studio_page import CHROMIUM, FLAGS, Studio, choose

from d2a_core import config

QUICK = {  # over the tiny project: an inversion and a fine-tuning that only show that they run
    "inversion": {"w_steps": 2, "wplus_steps": 2, "full_steps": 1},
    "fan": {"finetune": {"augmentations": 8, "held_out": 2, "pairs": 16, "epochs": 1, "samples": 4}},
}
SIZES = {"desktop": {"width": 1280, "height": 720}, "phone": {"width": 390, "height": 844}}
PATIENCE_MS = 240_000  # for what renders and inverts, on two cores


@pytest.fixture(scope="session")
def start(request, tmp_path_factory):
    """Starts a studio on a copy of a finished project, of the one at 1024 px unless another is given."""
    running = []

    def started(of=None):
        folder = tmp_path_factory.mktemp("studio")
        project = (of or request.getfixturevalue("full")).copy(folder / "work")
        settings = functools.reduce(config.merged, (config.read(project.folder / n) for n in project.configs))
        settings = config.merged(settings, QUICK)
        if "name" in settings.get("generator", {}):
            settings["generator"]["name"] = str(project.folder / settings["generator"]["name"])
        (folder / "quick.yaml").write_text(yaml.safe_dump(settings))
        running.append(Studio(project.folder, folder / "quick.yaml"))
        return running[-1]

    yield started
    for studio in running:
        if studio.process.poll() is None:
            studio.end()


@pytest.fixture(scope="session")
def studio(start):
    """The studio that most tests share."""
    return start()


@pytest.fixture(scope="session")
def chromium():
    """A browser with a camera that shows a test picture."""
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *camera])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, studio):
    """Opens the page in a window of its own; whatever it asks another machine for fails the test."""
    contexts, strange, faults = [], [], []

    def opened(size="desktop", of=studio):
        context = chromium.new_context(viewport=SIZES[size])
        contexts.append(context)
        context.on("request", lambda request: strange.extend(_elsewhere(request.url)))
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.extend(_policy(message.text)))
        page.goto(of.address)
        page.wait_for_selector("body[data-ready]", state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not strange, "the page asked other machines"
    assert not faults


def _elsewhere(url):
    parts = urlsplit(url)
    here = parts.scheme in ("blob", "data") or parts.hostname == "127.0.0.1"
    return [] if here else [url]


def _policy(text):
    """Messages that the browser has refused to load something."""
    return [text] if "Content Security Policy" in text else []


@pytest.fixture
def page(visit):
    """The page in one window."""
    return visit()


@pytest.fixture
def face(page):
    """The page with the face of the project chosen and drawn in full size."""
    choose(page)
    return page
