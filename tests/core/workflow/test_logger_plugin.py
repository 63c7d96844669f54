"""The logger plug-in of Snakemake, without Snakemake."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from snakemake_logger_plugin_d2a import LogHandler, LogHandlerSettings

ROOT = Path(__file__).parents[3]
FIND = """
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
print(LoggerPluginRegistry().get_registered_plugins())
"""


class Named(list):
    """A list whose items have names, as Snakemake keeps resources."""

    def items(self):
        return (("mem_mb", self[0]), ("gpu", self[1]))


@pytest.fixture
def handler(tmp_path):
    made = LogHandler(OutputSettingsLoggerInterface(), LogHandlerSettings(tmp_path / "x.jsonl"))
    yield made
    made.close()


def written(handler, **facts):
    """Content of the file after a record with these facts."""
    handler.handle(logging.makeLogRecord({"msg": "said", **facts}))
    return [json.loads(line) for line in Path(handler.baseFilename).read_text().splitlines()]


def test_a_job_is_a_line_with_what_it_reads_writes_and_asks_for(handler):
    facts = {"jobid": 7, "rule_name": "x", "input": ["a, b"], "output": ["c"], "log": [], "threads": 2}
    facts |= {"wildcards": {"shard": "00000"}, "benchmark": None}
    shown = written(handler, event=LogEvent.JOB_INFO, resources=Named([3000, 1]), shellcmd="rm", **facts)
    assert shown == [{"event": "job_info", "resources": {"mem_mb": 3000, "gpu": 1}, **facts}]


def test_an_error_is_what_snakemake_says_and_other_records_are_no_events(handler):
    assert written(handler) == []
    assert written(handler, event=LogEvent.SHELLCMD, cmd="ls") == []
    shown = written(handler, event=LogEvent.ERROR, exception="ValueError", levelno=logging.ERROR)
    assert shown == [{"event": "error", "exception": "ValueError", "msg": "said"}]


def test_snakemake_finds_it_by_the_path_alone(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", FIND],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "'d2a'" in found.stdout
