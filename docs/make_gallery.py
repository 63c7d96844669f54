"""Make the pictures of README anew: compute what is missing, and keep small copies in docs/.

Only faces that do not exist are shown. Run it by `make gallery`.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from d2a_core.commands.requests import seed_of
from d2a_core.media import images, resampling

ROOT = Path(__file__).parents[1]
MADE = ROOT / "results" / "gallery"
SIDE, QUALITY = 1280, 85  # px of the longer side and JPEG quality of a picture in docs/
FACE, TURNED, OTHER = "seed:15", "seed:40", "seed:21"
COMMANDS = {  # picture that a command of d2a leaves in results/gallery
    "edit.png": ["edit", FACE, "--smile", "8", "--yaw", "15", "--before-after"],
    "eyes.png": ["edit", FACE, "--eyes-closed", "100", "--mouth-open", "25", "--before-after"],
    "front.png": ["frontalize", TURNED, "--before-after"],
}
TARGETS = {  # picture in docs/ of an artefact of the workflow
    "demo.jpg": "results/animations/anna--performance.sheet.png",
    "gallery.jpg": "results/directions/gallery.png",
    "controls.jpg": "results/controls/controls.png",
}


def main() -> None:
    """Compute, shrink, write."""
    run("snakemake", "--configfile", "profiles/demo/config.yaml", "--cores", "all", *TARGETS.values())
    MADE.mkdir(parents=True, exist_ok=True)
    for name, words in COMMANDS.items():
        command, *options = words
        output = str(MADE / f"{command}-alone.png")
        run("d2a", command, *options, str(MADE / name), "--output", output)
    morph = ["morph", FACE, OTHER, "--source", FACE, "--frames", "24", "--output", str(MADE / "morph.mp4")]
    run("d2a", *morph)
    sheets = sorted(
        (ROOT / "results/morphs").glob(f"seed-{seed_of(FACE)}--seed-{seed_of(OTHER)}-*.sheet.png")
    )
    shown = {f"{Path(name).stem}.jpg": MADE / name for name in COMMANDS} | {"morph.jpg": sheets[-1]}
    for name, path in (shown | {name: ROOT / path for name, path in TARGETS.items()}).items():
        keep(path, ROOT / "docs" / name)


def run(program: str, *words: str) -> None:
    """Call a program of this environment in the root of the project; its failure ends this one."""
    done = subprocess.run([Path(sys.executable).parent / program, *words], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def keep(path: Path, copy: Path) -> None:
    """Write a copy of a picture, as a JPEG no larger than a page."""
    image = images.read_image(path)
    small = resampling.resize(image[None], min(SIDE, max(image.shape[:2])))[0]
    Image.fromarray(small).save(copy, quality=QUALITY)


if __name__ == "__main__":
    main()
