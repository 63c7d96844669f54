"""Measure the cost of finished jobs of each rule, and predict that of others.

A job costs a fixed start-up time plus a time per unit of work; both are fitted to finished jobs. Where these
were all of about one size, the start-up is that of a job that does next to nothing.
"""

import os
import platform
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from d2a_core.store import texts
from d2a_core.workflow import job_sizes

STARTUP_S = 3.4  # jobs that hardly compute (draw_pairs, collect_videos, summaries) took 3.2 to 3.6 s
LONGEST_STARTUP_S = 15.0  # what loads most, sample_source, took 9 s for one face; a longer one is noise
SPREAD = 1.5  # ratio of the largest to the smallest work from which a slope can be told from noise
UNNAMED = "the machine of that run"
REMEDY = "give the results folder of a finished run, or a file that `d2a plan --save-rates` wrote"


@dataclass(frozen=True)
class Point:
    """A finished job: its work in units of its rule, wall time, peak resident memory, bytes left, `device`.

    The device is `gpu` where the benchmark says so, which it does with Snakemake's `--benchmark-extended`.
    """

    units: float
    seconds: float
    memory_mb: float | None = None
    disk_bytes: float | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Rates:
    """Points by rule, from `source`; `machine` tells where they were measured, as far as that is known."""

    rules: Mapping[str, tuple[Point, ...]]
    machine: str
    source: str

    def measured(self, rule: str, device: str) -> tuple[Point, ...]:
        """Points of a rule on `device`; where there are none, those of the other one."""
        points = self.rules.get(rule, ())
        return tuple(point for point in points if point.device == device) or points

    def seconds(self, rule: str, units: float, device: str = "cpu") -> float | None:
        """Wall time of a job; None where no job of this rule has been measured."""
        points = [(point.units, point.seconds) for point in self.measured(rule, device)]
        return _predict(points, units, STARTUP_S, LONGEST_STARTUP_S)

    def memory_mb(self, rule: str, units: float, device: str = "cpu") -> float | None:
        """Peak memory of a job, at least that of any smaller one.

        Where jobs of one size are all that is known, it does not grow.
        """
        points = [(p.units, p.memory_mb) for p in self.measured(rule, device) if p.memory_mb is not None]
        if not points or max(points)[0] < SPREAD * min(points)[0]:  # too little to tell whether it grows
            return max((memory for _, memory in points), default=None)
        fixed, each = fit(points, 0.0)
        largest = max(memory for size, memory in points if size <= units or size == min(points)[0])
        return max(fixed + each * units, largest)

    def disk_bytes(self, rule: str, units: float) -> float | None:
        """Bytes that a job leaves."""
        points = self.rules.get(rule, ())
        return _predict([(p.units, p.disk_bytes) for p in points if p.disk_bytes is not None], units, 0.0)


def fit(
    points: Iterable[tuple[float, float]], startup: float, longest: float = np.inf
) -> tuple[float, float]:
    """Start-up, of at most `longest`, and cost of a unit, neither below 0, for points (units, cost).

    The sum of squared relative errors is smallest, so that small jobs count as much as large ones. Points of
    about one size do not tell the two apart: then the start-up is `startup`, or the least cost if less.
    """
    from scipy.optimize import lsq_linear

    units, costs = np.array(sorted(points), dtype=float).T
    if units[-1] >= SPREAD * units[0]:
        weight = 1 / np.maximum(costs, 1e-9)
        scaled = np.stack([weight, units / units[-1] * weight], axis=1)
        fixed, each = lsq_linear(scaled, np.ones(len(units)), bounds=([0, 0], [longest, np.inf])).x
        each /= units[-1]
        return float(fixed), float(each)
    fixed = min(startup, costs.min())
    return float(fixed), float((costs.mean() - fixed) / units.mean())


def _predict(
    points: list[tuple[float, float]], units: float, startup: float, longest: float = np.inf
) -> float | None:
    if not points:
        return None
    if units == 1 and all(size == 1 for size, _ in points):  # jobs that are all alike
        return statistics.mean(cost for _, cost in points)
    fixed, each = fit(points, startup, longest)
    return fixed + each * units


def read(paths: Sequence[Path]) -> Rates:
    """Rates from results folders of finished runs and from files of `save`, all together.

    Runs of different sizes tell the start-up from the rest. Raises ValueError where there are none.
    """
    parts = [measure(path) if path.is_dir() else _kept(path) for path in paths]
    rules: defaultdict[str, tuple[Point, ...]] = defaultdict(tuple)
    for part in parts:
        for rule, points in part.rules.items():
            rules[rule] += points
    machines = dict.fromkeys(part.machine for part in parts)
    return Rates(rules, " and ".join(machines), ", ".join(part.source for part in parts))


def _kept(path: Path) -> Rates:
    if not path.is_file():
        raise ValueError(f"{path} does not exist; {REMEDY}")
    try:
        kept = yaml.safe_load(path.read_text(encoding="utf-8"))
        rules = {
            rule: tuple(Point(*point) for point in entry["points"]) for rule, entry in kept["rules"].items()
        }
        return Rates(rules, str(kept["machine"]), os.path.relpath(path))
    except (LookupError, TypeError, AttributeError, ValueError, yaml.YAMLError):
        raise ValueError(f"{path} holds no rates; {REMEDY}") from None


def save(rates: Rates, path: Path) -> None:
    """Write rates that were measured on this machine as YAML.

    Of each known rule there are its unit and its points: units, seconds, MB, bytes, device. Jobs of the same
    size are one point, their median.
    """
    rules = {
        rule: {"unit": job_sizes.unit(rule), "points": [_row(point) for point in _medians(points)]}
        for rule, points in sorted(rates.rules.items())
        if rule in job_sizes.WORK
    }
    kept = {"machine": this_machine(), "rules": rules}
    texts.write_text(yaml.safe_dump(kept, default_flow_style=None, sort_keys=False, allow_unicode=True), path)


def _medians(points: Iterable[Point]) -> list[Point]:
    sizes = defaultdict(list)
    for point in points:
        sizes[(point.units, point.device)].append(point)
    return [
        Point(
            units,
            statistics.median(point.seconds for point in same),
            _median(point.memory_mb for point in same),
            _median(point.disk_bytes for point in same),
            device,
        )
        for (units, device), same in sorted(sizes.items())
    ]


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _row(point: Point) -> list[float | str | None]:
    values = (point.units, point.seconds, point.memory_mb, point.disk_bytes)
    return [*(None if value is None else round(value, 2) for value in values), point.device]


def measure(results: Path) -> Rates:
    """Rates of a finished run: the benchmark of every job together with the log that counts its work.

    Jobs of ablations count as those of the rules that they repeat. Raises ValueError when `results` has no
    benchmarks.
    """
    found: defaultdict[str, list[Point]] = defaultdict(list)
    for base in (results, *sorted((results / "ablations").glob("*"))):
        for table in sorted((base / "benchmarks").rglob("*.tsv")):
            rule, job = job_of(table.relative_to(base / "benchmarks"))
            found[rule] += _points(rule, job, base, table)
    rules = {rule: tuple(points) for rule, points in found.items() if points}
    if not rules:
        raise ValueError(f"{results} has no benchmarks of finished jobs; {REMEDY}")
    return Rates(rules, UNNAMED, os.path.relpath(results))


def job_of(benchmark: Path) -> tuple[str, str]:
    """Rule and name of a job, from the path of its benchmark: `rule.tsv` or `rule/name.tsv`."""
    parts = benchmark.with_suffix("").parts if benchmark.suffix == ".tsv" else benchmark.parts
    return (parts[0], "/".join(parts[1:]) or parts[0])


def _points(rule: str, job: str, base: Path, benchmark: Path) -> list[Point]:
    rows = [line.split("\t") for line in benchmark.read_text(encoding="utf-8").splitlines()]
    log = (base / "logs" / benchmark.relative_to(base / "benchmarks")).with_suffix(".log")
    if len(rows) < 2 or not log.is_file():  # a job that is running, or was killed
        return []
    units = job_sizes.done(rule, log.read_text(encoding="utf-8", errors="replace"), base)
    if not units:
        return []
    row = dict(zip(rows[0], rows[-1], strict=False))
    memory = float(row["max_rss"]) if re.fullmatch(r"[\d.]+", row.get("max_rss", "")) else None
    device = "gpu" if re.search(r"'gpus?': [1-9]", row.get("resources", "")) else "cpu"
    return [Point(units, float(row["s"]), memory, job_sizes.left_bytes(rule, job, base), device)]


def usable_cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def this_machine() -> str:
    """Name of the processor, and how many cores of it there are to use."""
    found = None
    information = Path("/proc/cpuinfo")
    if information.is_file():
        found = re.search(r"^model name\s*: (.+)$", information.read_text(encoding="utf-8"), re.M)
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return f"{name}, {usable_cores()} cores"
