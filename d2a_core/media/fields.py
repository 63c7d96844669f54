"""Frames of interlaced clips: two fields of two moments, every second line each, made one picture of one."""

from collections import deque
from collections.abc import Iterable, Iterator

import av

REMARK = "is interlaced; each of its frames is made a picture of one moment"
FILTER = ("bwdif", "mode=send_frame:parity=auto:deint=interlaced")  # a picture a frame; others pass through


def joined(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """As many frames, each at its time; those that say that they are interlaced show their earlier field.

    The lines of the other one are made of it and of the frames around. Before the first interlaced frame,
    and all through a clip without one, the frames themselves come back.
    """
    graph = None
    for frame in frames:
        if graph is not None and not graph.takes(frame):
            yield from graph.rest()
            graph = None
        if graph is None and frame.interlaced_frame:
            graph = _Deinterlacer(frame)
        if graph is None:
            yield frame
        else:
            yield from graph.push(frame)
    if graph is not None:
        yield from graph.rest()


class _Deinterlacer:
    """A filter for frames of one form; it holds one back, for it looks at the next."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.form = _form(frame)
        self.graph = av.filter.Graph()
        source = self.graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        self.graph.link_nodes(source, self.graph.add(*FILTER), self.graph.add("buffersink")).configure()
        self.waiting: deque[av.VideoFrame] = deque()

    def takes(self, frame: av.VideoFrame) -> bool:
        """Whether a frame has the form of the first."""
        return _form(frame) == self.form

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Give a frame, and take what is done."""
        self.waiting.append(frame)
        self.graph.push(frame)
        yield from self._done()

    def rest(self) -> Iterator[av.VideoFrame]:
        """Take what was held back; nothing can be given after."""
        self.graph.push(None)
        yield from self._done()
        yield from self.waiting  # what the filter never gave

    def _done(self) -> Iterator[av.VideoFrame]:
        while self.waiting:
            try:
                done = self.graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(done, av.VideoFrame)
            own = self.waiting.popleft()
            done.pts, done.time_base, done.duration = own.pts, own.time_base, own.duration
            yield done


def _form(frame: av.VideoFrame) -> tuple[str, int, int]:
    return frame.format.name, frame.width, frame.height
