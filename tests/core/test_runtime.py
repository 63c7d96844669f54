import io
import logging
import os
import platform
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from d2a_core import runtime


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(runtime, "_threads", None)
    yield
    log = logging.getLogger("d2a")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def finish(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_log_line_has_the_format_of_the_style_guide_in_file_and_on_stderr(tmp_path, capsys):
    runtime.start_log(tmp_path / "logs" / "a.log").info("fan step=%d", 200)
    text = (tmp_path / "logs" / "a.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO fan step=200\n", text)
    assert capsys.readouterr().err == text


def test_log_starts_fresh_and_does_not_double_lines(tmp_path, capsys):
    runtime.start_log(tmp_path / "a.log").info("old")
    capsys.readouterr()
    runtime.start_log(tmp_path / "a.log").info("new")
    assert [line.split()[-1] for line in (tmp_path / "a.log").read_text().splitlines()] == ["new"]
    assert capsys.readouterr().err.count("new") == 1


@pytest.mark.parametrize("kind", ["ValueError", "UnicodeError", "FileNotFoundError"])
def test_uncaught_user_error_ends_as_one_line_and_code_1(tmp_path, kind):
    path = tmp_path / "a.log"
    message = "UnicodeError('k=0\\nis too low')" if kind == "UnicodeError" else f"{kind}('k=0 is too low')"
    ended = finish(f"from d2a_core import runtime\nruntime.start_log({str(path)!r})\nraise {message}")
    assert ended.returncode == 1
    assert ended.stderr == path.read_text()
    assert ended.stderr.endswith(" ERROR k=0 is too low\n") and ended.stderr.count("\n") == 1


def test_uncaught_defect_leaves_its_traceback_in_the_log(tmp_path):
    path = tmp_path / "a.log"
    ended = finish(f"from d2a_core import runtime\nruntime.start_log({str(path)!r})\n{{}}['key']")
    assert ended.returncode == 1
    assert "Traceback (most recent call last)" in path.read_text()
    assert "KeyError: 'key'" in path.read_text()


@pytest.mark.parametrize("resources", [SimpleNamespace(), SimpleNamespace(gpu=0)])
def test_device_without_a_gpu_resource_is_the_cpu(resources):
    assert runtime.device(resources) == "cpu"


def test_the_runtime_of_the_generator_comes_from_the_config_and_not_from_the_params():
    job = SimpleNamespace(
        resources=SimpleNamespace(), threads=3, config={"generator": {"runtime": "torch"}}, params={}
    )
    assert runtime.engine(job) == {"device": "cpu", "threads": 3, "runtime": "torch"}


def test_device_with_a_gpu_resource_is_cuda_or_a_sentence(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert runtime.device(SimpleNamespace(gpu=1)) == "cuda"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    assert runtime.device(SimpleNamespace(gpu=1)) == "mps"
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(ValueError, match="gpu=2 but PyTorch sees no CUDA"):
        runtime.device(SimpleNamespace(gpu=2))


def test_limit_threads_reaches_torch_and_is_remembered(monkeypatch):
    seen = []
    monkeypatch.setattr("torch.set_num_threads", seen.append)
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert runtime.threads() == 7
    runtime.limit_threads(3)
    assert (runtime.threads(), seen) == (3, [3])
    runtime.limit_threads(1)
    assert (runtime.threads(), seen) == (1, [3, 1])
    runtime.limit_threads(1, least=2)  # sums of one thread differ from those of two
    assert (runtime.threads(), seen) == (1, [3, 1, 2])
    with pytest.raises(ValueError, match="0 threads"):
        runtime.limit_threads(0)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_memory_that_is_freed_is_not_faulted_in_again():
    script = """
import resource, sys
import numpy as np
from d2a_core import runtime
if sys.argv[1] == "kept":
    runtime.limit_threads(1)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(20_000_000, np.uint8)
before = faults()
for _ in range(50):
    np.ones(20_000_000, np.uint8)
print(faults() - before)
"""
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", script, word], capture_output=True, text=True).stdout)
        for word in ("kept", "returned")
    )
    assert kept < 5000 and kept <= returned


@pytest.mark.parametrize(("threads", "policy"), [("1", "PASSIVE None"), ("2", "None 5000")])
def test_threads_that_wait_sleep_in_a_job_of_one_thread_and_soon_in_others(threads, policy):
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    script = f"import os, d2a_core; print(*map(os.environ.get, {names}))"
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"OMP_NUM_THREADS": threads}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert said.stdout == f"{policy}\n"


def test_limit_threads_does_not_import_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    runtime.limit_threads(2)
    assert "torch" not in sys.modules


def test_progress_logs_each_interval_and_always_the_last_line(caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO):
        progress = runtime.Progress(logging.getLogger("p"), "latents", 400, clock=clock)
        for second in range(1, 41):  # ten images a second
            clock.now = 100.0 + second
            progress.advance(10, loss=0.04126)
    assert caplog.messages == [
        "latents images=100/400 images_per_s=10 eta_s=30 loss=0.0413",
        "latents images=200/400 images_per_s=10 eta_s=20 loss=0.0413",
        "latents images=300/400 images_per_s=10 eta_s=10 loss=0.0413",
        "latents images=400/400 images_per_s=10 eta_s=0 loss=0.0413",
    ]


def test_progress_of_a_resumed_run_does_not_count_old_steps_as_speed(caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO):
        progress = runtime.Progress(logging.getLogger("p"), "fan", 100, "steps", done=90, clock=clock)
        clock.now += 5
        progress.advance(10)
    assert caplog.messages == ["fan steps=100/100 steps_per_s=2 eta_s=0"]


def test_progress_of_unknown_total_shows_the_count_alone(caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO):
        progress = runtime.Progress(logging.getLogger("p"), "driving", 0, "frames", clock=clock)
        clock.now += 10
        progress.advance(2500)
    assert caplog.messages == ["driving frames=2500 frames_per_s=250"]


def test_progress_status_line_stays_on_the_terminal(monkeypatch, tmp_path):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    clock = Clock()
    progress = runtime.Progress(runtime.start_log(tmp_path / "a.log"), "latents", 10, clock=clock)
    for step in range(1, 9):  # every quarter of a second: four status lines in two seconds
        clock.now = 100.0 + step / 4
        progress.advance(1)
    status = terminal.getvalue().split(runtime.CLEAR_LINE)[1:]
    assert [line.split()[1] for line in status] == [f"images={n}/10" for n in (2, 4, 6, 8)]
    assert max(map(len, status)) < 40
    assert (tmp_path / "a.log").read_text() == ""
    progress.advance(2)
    assert terminal.getvalue().endswith("\n") and "\n" not in "".join(status)
    assert "\r" not in (tmp_path / "a.log").read_text()


def test_progress_without_a_terminal_shows_log_lines_only(tmp_path, capsys):
    clock = Clock()
    progress = runtime.Progress(runtime.start_log(None), "latents", 10, clock=clock)
    clock.now += 5
    progress.advance(1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (0.0001, "0.0001"), (1e-5, "1e-05"), (123456.7, "123457")]
)
def test_figure_keeps_three_digits(value, text):
    assert runtime._figure(value) == text


KEEPING = """
import gc
from d2a_core import runtime

def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

runtime.keep_freed_memory()
before = megabytes()
blocks = [bytearray(2**20) for _ in range(300)]
gap, blocks = bytearray(2**20), None  # what stays above them keeps the heap from shrinking by itself
gc.collect()
kept = megabytes() - before
runtime.give_back_freed_memory()
print(kept, megabytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept with glibc alone")
def test_freed_memory_is_kept_until_it_is_given_back():
    words = [sys.executable, "-c", KEEPING]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    kept, left = map(float, done.stdout.split())
    assert kept > 250 and left < 50
