"""Print a plan: the cost of each rule, the totals, and the origin of the numbers."""

import textwrap
from collections.abc import Callable, Iterable, Sequence

from d2a_core.workflow import job_sizes, rates
from d2a_core.workflow.planning import Cost, by_rule, wall_seconds

HEADINGS = ("rule", "jobs", "work", "a job", "time", "core time", "GPU time", "memory", "disk")
UNKNOWN = "?"
WIDTH = 100  # characters of a line


def show(
    costs: Sequence[Cost], known: rates.Rates, *, cores: int | None = None, nodes: int | None = None
) -> str:
    """The plan as text; it runs on `cores` of one machine, or on `nodes`."""
    if not costs:
        return "Nothing is left to do; --all plans the whole run."
    groups = by_rule(costs)
    rows = [HEADINGS, *(_row(rule, entries) for rule, entries in groups.items()), _total(costs)]
    if not any(entry.job.gpus for entry in costs):
        rows = [(*row[:6], *row[7:]) for row in rows]
    return "\n".join([*_aligned(rows), "", *_remarks(costs, groups, known, cores=cores, nodes=nodes)])


def _row(rule: str, entries: Sequence[Cost]) -> tuple[str, ...]:
    units = _sum(entries, lambda entry: entry.units)
    counted = UNKNOWN if units is None else f"{number(units)} {job_sizes.unit(rule)}"
    seconds = _sum(entries, lambda entry: entry.seconds)
    return (
        rule,
        f"{len(entries)}",
        "" if job_sizes.unit(rule) == "jobs" else counted,
        UNKNOWN if seconds is None else duration(seconds / len(entries)),
        *_amounts(entries),
    )


def _total(costs: Sequence[Cost]) -> tuple[str, ...]:
    measured = [entry for entry in costs if entry.seconds is not None]
    least = "≥" if len(measured) < len(costs) else ""
    *times, memory, disk = (f"{least}{amount}" if amount else "" for amount in _amounts(measured))
    partial = not least and any(entry.disk_bytes is None for entry in costs)
    return ("total", f"{len(costs)}", "", "", *times, memory, f"≥{disk}" if partial else disk)


def _amounts(entries: Sequence[Cost]) -> tuple[str, ...]:
    """Time, core time, GPU time, peak memory and disk of some jobs, UNKNOWN where one of them has no rate."""
    seconds = _sum(entries, lambda entry: entry.seconds)
    cores = _sum(entries, lambda entry: _times(entry.seconds, entry.job.threads))
    gpus = _sum(entries, lambda entry: _times(entry.seconds, entry.job.gpus))
    memory = [entry.memory_mb for entry in entries if entry.memory_mb is not None]
    disk = [entry.disk_bytes for entry in entries if entry.disk_bytes is not None]
    mark = "~" if any(entry.elsewhere for entry in entries) else ""
    return (
        *(UNKNOWN if value is None else f"{mark}{duration(value)}" for value in (seconds, cores)),
        UNKNOWN if gpus is None else f"{mark}{duration(gpus)}" if gpus else "",
        f"{max(memory) / 1000:.1f} GB" if memory else UNKNOWN,
        size(sum(disk)) if disk else UNKNOWN,
    )


def _times(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor


def _sum(entries: Iterable[Cost], pick: Callable[[Cost], float | None]) -> float | None:
    values = [pick(entry) for entry in entries]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    lines = [
        gap.join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in cells)
        for cells in (enumerate(zip(row, widths, strict=True)) for row in rows)
    ]
    rule = "-" * len(lines[0])
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _remarks(
    costs: Sequence[Cost],
    groups: dict[str, list[Cost]],
    known: rates.Rates,
    *,
    cores: int | None,
    nodes: int | None,
) -> list[str]:
    where = f"{nodes} jobs at a time" if cores is None else f"{cores} cores"
    longest = wall_seconds(costs, nodes=len(costs))
    open_rules = _rules(groups, lambda entry: entry.seconds is None)
    least = "at least " if open_rules else ""
    lines = [
        f"wall time, {where}: {least}{duration(wall_seconds(costs, cores=cores, nodes=nodes))}"
        f" (the longest chain of jobs alone: {duration(longest)})",
        f"rates: {known.source}, measured on {known.machine}",
        "core time is time × threads of the rule; memory is the peak of the largest job",
    ]
    if any(entry.elsewhere for entry in costs):
        lines.append("~ measured on a CPU, where the profile asks for a GPU (or the other way round)")
    notes = {
        "no rate, not in the totals": open_rules,
        "disk not known": _rules(groups, lambda e: e.disk_bytes is None and e.seconds is not None),
        "a guess, more than ten times as large as any job measured": _rules(groups, lambda e: e.beyond),
    }
    lines += [f"{note}: {', '.join(rules)}" for note, rules in notes.items() if rules] + _too_little(groups)
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, break_on_hyphens=False)]


def _rules(groups: dict[str, list[Cost]], wanted: Callable[[Cost], bool]) -> list[str]:
    return [rule for rule, entries in groups.items() if any(map(wanted, entries))]


def _too_little(groups: dict[str, list[Cost]]) -> list[str]:
    """A line for each rule whose jobs need more memory than they ask for."""
    lines = []
    for rule, entries in groups.items():
        for entry in entries:
            asked, needed = entry.job.memory_mb, entry.memory_mb
            if asked is not None and needed is not None and needed > asked:
                lines.append(
                    f"{rule} needs some {needed:.0f} MB, not {asked}: "
                    f"--set-resources {rule}:mem_mb={round(needed * 1.3, -2):.0f}"
                )
                break
    return lines


def number(count: float) -> str:
    """A count in full up to a million."""
    return f"{count:,.0f}" if count < 1e6 else f"{count / 1e6:,.1f} M"


def duration(seconds: float) -> str:
    """A time in the unit that shows it best."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Bytes in the unit that shows them best, decimal."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"
