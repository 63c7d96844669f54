"""Measure the latency of a slider, on a quiet machine.

python tests/support/studio_latency.py WORK CONFIG FACE
"""

import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from studio_page import CHROMIUM, FLAGS, Studio, choose

LOADED_MS = 120_000  # until the face is there
MOVES, PAUSE_MS = 40, 1500  # of single moves, each of which ends in full size
DRAG_STEPS, DRAG_MS = 200, 40


def main(work, config, face):
    studio = Studio(Path(work), config)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(LOADED_MS)
            page.goto(studio.address)
            page.wait_for_selector("body[data-ready]", state="attached")
            choose(page, face)
            slider = page.locator("#sliders input").first
            slider.focus()
            single(page)
            drag(page, slider)
    finally:
        studio.end()


def single(page):
    """One key press, then a pause."""
    page.evaluate("performance.clearMeasures()")
    for move in range(MOVES):
        page.keyboard.press("ArrowRight" if move % 20 < 10 else "ArrowLeft")
        page.wait_for_timeout(PAUSE_MS)
    tell(page, "single moves", ("draft", "full"))


def drag(page, slider):
    """The mouse draws the handle to and fro without a pause."""
    page.evaluate("performance.clearMeasures()")
    box = slider.bounding_box()
    middle, reach = box["x"] + box["width"] / 2, 0.3 * box["width"]
    page.mouse.move(middle, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(DRAG_STEPS):
        share = abs((step / 25 + 1) % 4 - 2) - 1  # a triangle between -1 and 1, from 0
        page.mouse.move(middle + reach * share, box["y"] + box["height"] / 2)
        page.wait_for_timeout(DRAG_MS)
    page.mouse.up()
    tell(page, "drag", ("draft",))


def tell(page, what, sizes):
    for size in sizes:
        script = "name => performance.getEntriesByName(name).map(entry => entry.duration)"
        found = sorted(page.evaluate(script, size))
        late = found[int(0.9 * len(found))]
        print(f"{what}: {size} n={len(found)} median={statistics.median(found):.0f} ms 90 %={late:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
