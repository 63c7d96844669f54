"""Log, progress, device and thread count of every script."""

import ctypes
import logging
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypedDict

from threadpoolctl import threadpool_limits

CLEAR_LINE = "\r\x1b[K"  # back to column 0 and erase what a status line left there
STATUS_EVERY_S = 0.5
# For OpenVINO, which ties its threads to the first processors: two jobs would share one of them.
FREE_THREADS = {"ENABLE_CPU_PINNING": False}
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h

_threads: int | None = None


class Job(Protocol):
    """The object `snakemake` of a script, as far as it is used here."""

    input: Any
    params: Any
    threads: int
    log: Sequence[str]
    resources: object
    config: Mapping[str, Any]


class Hardware(TypedDict):
    """Device of a job."""

    device: str
    threads: int


class Engine(Hardware):
    """Device of a job that runs a generator."""

    runtime: str


class _StderrHandler(logging.Handler):
    """Handler of the current `sys.stderr`; wipes a status line first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        prefix = CLEAR_LINE if sys.stderr.isatty() else ""
        sys.stderr.write(f"{prefix}{self.format(record)}\n")
        sys.stderr.flush()


def start_log(path: str | Path | None) -> logging.Logger:
    """Return the logger `d2a`, writing to a fresh file at `path` (None: no file) and to stderr.

    From here on an uncaught ValueError or OSError ends the process as one ERROR line, exit code 1;
    any other exception is logged with its traceback, because it is a defect and not a user's slip.
    """
    log = logging.getLogger("d2a")
    log.setLevel(logging.INFO)
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [_StderrHandler()]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
    sys.excepthook = _log_uncaught
    return log


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log = logging.getLogger("d2a")
    if issubclass(kind, KeyboardInterrupt):
        log.error("interrupted")
    elif issubclass(kind, (ValueError, OSError)):
        log.error("%s", one_line(error))
    else:
        log.error("uncaught %s", kind.__name__, exc_info=(kind, error, trace))


def one_line(error: BaseException) -> str:
    """Return the message of `error` without line breaks, or its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def start(snakemake: Job, *, least: int = 1) -> logging.Logger:
    """Open the log of a Snakemake script and keep to the threads its rule was given.

    `least` are those that the rule asks for: `--cores 1` gives it one, and PyTorch takes them all the same.
    """
    limit_threads(snakemake.threads, least=least)
    return start_log(snakemake.log[0])


def hardware(snakemake: Job) -> Hardware:
    """Tell device and thread count of a job, as keyword arguments of whatever loads a network."""
    return {"device": device(snakemake.resources), "threads": snakemake.threads}


def engine(snakemake: Job) -> Engine:
    """Tell `hardware` and what runs a generator on a CPU, as keyword arguments of whatever loads one.

    The word comes from the config and not from the params: it changes the speed and no result.
    """
    return {**hardware(snakemake), "runtime": snakemake.config["generator"]["runtime"]}


def device(resources: object) -> str:
    """Return 'cuda' (or Apple's 'mps') when `resources.gpu` is at least 1, else 'cpu'.

    Raises ValueError when a GPU is asked for and PyTorch sees none: a silent fall-back would take
    days instead of hours.
    """
    gpus = getattr(resources, "gpu", None) or 0
    if int(gpus) < 1:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    raise ValueError(
        f"the resources ask for gpu={gpus} but PyTorch sees no CUDA device; "
        "install a CUDA build of PyTorch or take gpu out of the profile"
    )


def limit_threads(count: int, *, least: int = 1) -> None:
    """Let PyTorch use `count` threads and remember the count for OpenVINO (see `threads`).

    Sums of several threads differ in their last bits from those of one, so that a network trained with
    `--cores 1` would be another one: PyTorch gets `least` threads or more, which take turns on a single core,
    and NumPy and scikit-learn get one. OpenVINO gives the same bits for any number. PyTorch is not imported
    for it: whatever computes with it imports it on top, so that it is there before a job starts.
    """
    if count < 1:
        raise ValueError(f"{count} threads cannot compute anything; give at least 1")
    keep_freed_memory()
    os.environ["OMP_NUM_THREADS"] = "1"  # of what is loaded later: scikit-learn brings an OpenMP of its own
    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(max(count, least))
    global _threads
    _threads = count


def keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed, up to blocks of 32 MB.

    By default it gives large blocks back to the kernel, which hands out every page of the next one anew, and
    gradients on a CPU allocate hundreds of megabytes a step: an inversion took 12 million page faults and a
    third longer. On other systems nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((M_MMAP_THRESHOLD, 2**25), (M_TRIM_THRESHOLD, 2**30), (M_TOP_PAD, 2**26)):
        mallopt(parameter, value)


def give_back_freed_memory() -> None:
    """Give memory that `keep_freed_memory` has kept back to the system, for what needs other blocks."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def threads() -> int:
    """Return the count given to `limit_threads`; before that, the number of processors."""
    return _threads or os.cpu_count() or 1


class Progress:
    """Progress of a stage in the log: at most one line each `every_s` seconds, and the last one.

    `total` counts `unit`s; 0 means unknown, and then there is neither an estimate nor a last line.
    A resumed run gives what it already has as `done`, which does not count for the speed. On a
    terminal a status line moves in between; it never reaches the log.
    """

    def __init__(
        self,
        log: logging.Logger,
        stage: str,
        total: int,
        unit: str = "images",
        every_s: float = 10.0,
        *,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log, self.stage, self.total, self.unit = log, stage, total, unit
        self.every_s, self.done, self._clock = every_s, done, clock
        self._first = done
        self._started = self._logged = self._shown = clock()

    def advance(self, n: int, **figures: object) -> None:
        """Count `n` more units; `figures` are shown behind the speed, as `name=value`."""
        before, self.done = self.done, self.done + n
        now = self._clock()
        if before < self.total <= self.done or now - self._logged >= self.every_s:
            self.log.info("%s", self._line(now, figures))
            self._logged = self._shown = now
        elif now - self._shown >= STATUS_EVERY_S and sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be erased
            sys.stderr.write(CLEAR_LINE + self._line(now, figures)[:width])
            sys.stderr.flush()
            self._shown = now

    def over(self, items: Iterable) -> Iterator:
        """Yield `items`, counting each when the next is asked for."""
        for item in items:
            yield item
            self.advance(1)

    def _line(self, now: float, figures: dict[str, object]) -> str:
        of_total = f"/{self.total}" if self.total else ""
        parts = [self.stage, f"{self.unit}={self.done}{of_total}"]
        elapsed = now - self._started
        rate = (self.done - self._first) / elapsed if elapsed > 0 else 0.0
        if rate > 0:
            parts.append(f"{self.unit}_per_s={_figure(rate)}")
            if self.total:
                parts.append(f"eta_s={max(0, self.total - self.done) / rate:.0f}")
        return " ".join([*parts, figures_line(figures)]).rstrip()


def figures_line(figures: Mapping[str, object]) -> str:
    """Format `figures` for a log line, as name=value."""
    return " ".join(f"{name}={_figure(value)}" for name, value in figures.items())


def _figure(value: object) -> str:
    """Round to three significant digits; from 1000 up to whole numbers."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
