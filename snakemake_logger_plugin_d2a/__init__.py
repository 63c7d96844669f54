"""A logger plug-in of Snakemake: events of a run as JSON, one a line.

`snakemake --logger d2a --logger-d2a-file FILE`. The commands of `d2a` follow and plan runs by it.
"""

import json
from dataclasses import dataclass, field
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

JOB = ("jobid", "rule_name", "input", "output", "log")
FACTS = {  # of each event that is written, as Snakemake calls them
    LogEvent.RUN_INFO: ("stats",),
    LogEvent.JOB_INFO: (*JOB, "wildcards", "benchmark", "threads", "resources"),
    LogEvent.JOB_FINISHED: ("job_id",),
    LogEvent.JOB_ERROR: JOB,
    LogEvent.PROGRESS: ("done", "total"),
    LogEvent.ERROR: ("exception", "msg"),
}


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Options of the command line."""

    file: Path = field(
        default=Path("snakemake.jsonl"), metadata={"help": "File that the events are written to."}
    )


class LogHandler(LogHandlerBase):
    """Writes events to a file, each as soon as it happens."""

    settings: LogHandlerSettings
    writes_to_stream = False
    writes_to_file = True
    has_filter = True  # its own, which is FACTS: what Snakemake prints is another matter
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """Start the file anew."""
        self.baseFilename = str(self.settings.file)  # so Snakemake names it among its logs
        self._lines = self.settings.file.open("w", encoding="utf-8")

    def emit(self, record: LogRecord) -> None:
        """Write the event of a record, if it is one of `FACTS`."""
        event = getattr(record, "event", None)
        if event in FACTS:
            facts = {"event": str(event)} | {name: _plain(getattr(record, name)) for name in FACTS[event]}
            self._lines.write(json.dumps(facts, default=str) + "\n")
            self._lines.flush()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        super().close()


def _plain(value: object) -> object:
    """Turn resources, a list of named items, into a mapping."""
    return dict(value.items()) if hasattr(value, "items") else value
