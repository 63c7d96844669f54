import io
import os
import re
import time

import pytest

from d2a_core.workflow.progress import Board, Run, step

STATS = {"event": "run_info", "stats": {"sample_latents": 2, "train_fan": 1, "all": 1, "total": 4}}
PROGRESS = "2026-03-01 12:00:03 INFO fan pairs=30/120 pairs_per_s=4.5 eta_s=20 loss=128\n"


def begun(rule, job, log="results/logs/x.log"):
    return {"event": "job_info", "rule_name": rule, "jobid": job, "log": [log], "output": [f"{rule}/{job}"]}


def finished(job):
    return {"event": "job_finished", "job_id": job}


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """Lines on the screen after all movements up and erasures."""
        lines = []
        for up, text in re.findall(r"(?:\x1b\[(\d+)A\x1b\[J)?([^\x1b]+)", self.getvalue()):
            lines = lines[: len(lines) - int(up or 0)] + text.splitlines()
        return lines


@pytest.fixture
def clock():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def board(tmp_path, clock):
    return lambda stream: Board(Run(tmp_path, clock=clock), stream, clock=clock)


def test_a_plain_stream_gets_a_line_a_finished_stage_with_its_seconds(board, clock):
    stream = io.StringIO()
    shown = board(stream)
    for event in (STATS, begun("sample_latents", 7), finished(7), begun("sample_latents", 8)):
        shown.watch([event])
        clock.now += 10
    shown.watch([finished(8)])
    shown.watch([begun("train_fan", 0)])
    clock.now += 3
    shown.watch([finished(0)])
    shown.close()
    assert stream.getvalue() == "✓ sample latents         30 s\n✓ train fan              3 s\n"


def test_a_plain_stream_is_told_of_a_long_stage_now_and_then(board, clock, tmp_path):
    stream = io.StringIO()
    shown = board(stream)
    (tmp_path / "fan.log").write_text(PROGRESS)
    shown.watch([STATS, begun("train_fan", 0, "fan.log")])
    for _ in range(60):
        clock.now += 1
        shown.watch([])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("  train fan              pairs 30/120, ")


def test_a_terminal_shows_one_line_a_stage_updated_in_place(board, clock, tmp_path):
    terminal = Terminal()
    shown = board(terminal)
    log = tmp_path / "fan.log"
    shown.watch([STATS, begun("sample_latents", 7), begun("train_fan", 0, "fan.log")])
    assert terminal.screen() == ["  sample latents         0 of 2", "  train fan              running"]
    log.write_text(PROGRESS)
    shown.watch([])
    assert terminal.screen()[1].startswith("  train fan              pairs 30/120, ")
    clock.now += 5
    shown.watch([finished(0), finished(7)])
    assert terminal.screen() == ["✓ train fan              5 s", "  sample latents         1 of 2"]


def test_a_failure_names_the_stage_and_the_last_error_of_its_log(board, tmp_path):
    stream = io.StringIO()
    shown = board(stream)
    (tmp_path / "fan.log").write_text(PROGRESS + "2026-03-01 12:00:04 ERROR no pair left; lower fan.x\n")
    failure = {"event": "job_error", "rule_name": "train_fan", "jobid": 0, "log": ["fan.log"]}
    shown.watch([STATS, begun("train_fan", 0, "fan.log"), failure])
    shown.close()
    assert stream.getvalue() == "✗ train fan              failed\n"
    assert shown.run.sentence(shown.run.failures[0]) == "no pair left; lower fan.x"


def test_where_others_go_on_every_failure_is_known_by_its_names(tmp_path, clock):
    stream = io.StringIO()
    shown = Board(Run(tmp_path, clock=clock), stream, clock=clock)
    (tmp_path / "x.log").write_text("2026-03-01 12:00:03 WARNING turned upright\n")
    jobs = ("sample_latents", "train_fan", "sample_latents")
    started = [
        begun(rule, number, "x.log") | {"wildcards": {"photo": f"me-{number}"}}
        for number, rule in enumerate(jobs)
    ]
    failed = [job | {"event": "job_error"} for job in started[:2]]
    shown.watch([STATS, *started, *failed])
    assert shown.run.stages["sample_latents"].running.keys() == {2}
    shown.watch([finished(2)])
    clock.now += 100
    shown.watch([])  # nothing of these is at work
    shown.close()
    assert [failure.names for failure in shown.run.failures] == [{"me-0"}, {"me-1"}]
    assert shown.run.made == {"sample_latents/2"}
    assert stream.getvalue().splitlines() == [
        "✗ sample latents         failed",
        "  note: turned upright",
        "✗ train fan              failed",
    ]


def test_warnings_of_a_finished_stage_are_passed_on_with_the_users_names(tmp_path, clock):
    stream = io.StringIO()
    run = Run(tmp_path, names={"data/inputs/me-12.jpg": "/home/me.jpg"}, clock=clock)
    shown = Board(run, stream, clock=clock)
    (tmp_path / "x.log").write_text("2026-03-01 12:00:03 WARNING data/inputs/me-12.jpg was turned upright\n")
    shown.watch([STATS, begun("train_fan", 0, "x.log"), finished(0)])
    assert stream.getvalue().splitlines()[1] == "  note: /home/me.jpg was turned upright"


def test_the_time_left_grows_shorter_while_the_log_is_silent(tmp_path):
    log = tmp_path / "x.log"
    log.write_text(PROGRESS)
    written = time.time() - 15
    os.utime(log, (written, written))
    assert step(log) in ("pairs 30/120, 5 s left", "pairs 30/120, 4 s left")
    os.utime(log, (written - 60, written - 60))
    assert step(log) == "pairs 30/120, 0 s left"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-03-01 12:00:03 INFO driving frames=40 frames_per_s=9.1", "frames 40"),
        ("2026-03-01 12:00:03 INFO fan epoch=7 learning_rate=3e-05", ""),
        ("2026-03-01 12:00:03 INFO fan pairs=9/9 pairs_per_s=1 eta_s=0", "pairs 9/9"),
        ("", ""),
    ],
)
def test_a_step_is_what_progress_last_said(tmp_path, line, shown):
    (tmp_path / "x.log").write_text(line + "\n")
    assert step(tmp_path / "x.log") == shown
    assert step(tmp_path / "none.log") == ""
