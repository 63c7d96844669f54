"""First looks of the studio: a photo that was dropped on the page moves within seconds."""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import d2a_core
from d2a_core import runtime
from d2a_core.commands import delivery, preview
from d2a_core.commands.previewer import Previewer
from d2a_core.commands.requests import Request
from d2a_core.commands.runs import Plan, Watcher
from d2a_core.fan import origins


class FirstLooks:
    """Makes videos of faces that turn, blink, speak and smile, one at a time."""

    def __init__(self, settings: Mapping[str, Any], *, threads: int) -> None:
        self.settings, self.threads = settings, threads
        self._loaded: tuple[list[tuple[int, int] | None], Previewer] | None = None
        self._loading = threading.Lock()

    def ready(self, work: Path) -> bool:
        """Whether a look takes seconds: models are there, and FAN, or a bundle to unpack it from."""
        movers = preview.movers(self.settings, work)
        unpacked = origins.find(self.settings, d2a_core.ROOT, work).bundle is not None
        needed = [path for path in movers.values() if path.startswith("data/") or not unpacked]
        return all((work / path).exists() for path in needed)

    def warm(self, work: Path) -> threading.Thread:
        """Load the networks in a thread of its own, where a bundle is unpacked in `work` and all are there.

        The first look then takes as long as any other. What goes wrong is left to it to say. The process ends
        after the thread: PyTorch aborts one that ends while networks are loaded.
        """
        thread = threading.Thread(target=self._warm, args=(work.resolve(),))
        thread.start()
        return thread

    def _warm(self, work: Path) -> None:
        with suppress(Exception):
            files = self._files(work)
            if origins.find(self.settings, d2a_core.ROOT, work).bundle and None not in preview.states(files):
                self._load(work, files)

    def make(self, request: Request, *, watcher: Watcher | None = None) -> Path:
        """Write the video of the photo that `request` names; returns its path.

        What leads faces is computed before, if it is not there. The face itself is found and inverted in this
        process: as jobs of the workflow they would take three times as long. Raises ValueError for a photo
        without a face.
        """
        work = request.work.resolve()
        previewer = self._previewer(request, work, watcher)
        runtime.limit_threads(self.threads or os.cpu_count() or 1, least=2)
        name, copy = delivery.adopt(request.photo, work, "photo")
        photo = previewer.aligned(work / copy, request.face or 0)
        output = work / "results" / "sources" / f"{name}-face-{request.face or 1}.preview.mp4"
        previewer.moves(previewer.hurried(photo), output)
        return output

    def _previewer(self, request: Request, work: Path, watcher: Watcher | None) -> Previewer:
        """The networks, loaded anew where their files have been made anew."""
        files = self._files(work)
        if not all(path.exists() for path in files):
            plan = Plan("first-look", dict(request.settings), preview.movers(self.settings, work), {}, {})
            delivery.deliver(request, lambda *given: plan, watcher)
        return self._load(work, files)

    def _files(self, work: Path) -> list[Path]:
        return [work / path for path in preview.movers(self.settings, work).values()]

    def _load(self, work: Path, files: Sequence[Path]) -> Previewer:
        with self._loading:
            states = preview.states(files)
            if self._loaded is None or self._loaded[0] != states:
                self._loaded = None  # two of them would not fit into a small memory
                runtime.limit_threads(self.threads or os.cpu_count() or 1, least=2)
                previewer = Previewer(work, self.settings, threads=self.threads)
                previewer.warm()
                self._loaded = states, previewer
            return self._loaded[1]
