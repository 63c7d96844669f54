"""Predict the cost of a run: its jobs, as a dry run lists them, times measured rates."""

import heapq
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d2a_core.config import check, configuration, merged, read, read_schema, variants
from d2a_core.evaluation import ablations
from d2a_core.fan import origins
from d2a_core.workflow import rates
from d2a_core.workflow.execution import Event, Workflow, read_events, telling
from d2a_core.workflow.job_sizes import planned

SETTINGS = ("set-resources", "set-threads", "default-resources")  # of a profile, that change what a job gets
FAR = 10  # times the largest job measured, from which a cost is a guess
SHOWN_LINES = 4  # of what Snakemake objects to
ALL_CORES = "4096"  # rules get the threads that they ask for; how many there are is the schedule's business


@dataclass(frozen=True)
class Job:
    """One job of a dry run. `variant` is the ablation that it belongs to, empty for the main run."""

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    variant: str = ""
    inputs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    threads: int = 1
    gpus: int = 0
    memory_mb: int | None = None


@dataclass(frozen=True)
class Cost:
    """A job, its work and what it takes, None where no rate is known.

    The rate may be one of another device (`elsewhere`), or of jobs not a tenth as large (`beyond`).
    """

    job: Job
    units: float | None = None
    seconds: float | None = None
    memory_mb: float | None = None
    disk_bytes: float | None = None
    elsewhere: bool = False
    beyond: bool = False


@dataclass
class Settings:
    """Parts of a profile that count for a plan: options of Snakemake, and the jobs it runs at a time."""

    options: list[str] = field(default_factory=list)
    jobs: int | None = None


def settings_of(profile: Path | None) -> Settings:
    """Read a workflow profile; raises ValueError when it is none.

    Its executor is left out: a plan needs neither that plug-in nor a cluster.
    """
    if profile is None:
        return Settings()
    path = next((found for found in sorted(profile.glob("*.yaml")) if _is_profile(found)), None)
    if path is None:
        raise ValueError(f"{profile} holds no profile; give a folder such as profiles/default")
    known = read(path)
    options = [word for key in SETTINGS if key in known for word in (f"--{key}", *_words(known[key]))]
    jobs = str(known.get("jobs"))
    return Settings(options, int(jobs) if jobs.isdigit() else None)


def _is_profile(path: Path) -> bool:
    return re.fullmatch(r"(profile|config)(\.v\d+\+)?\.yaml", path.name) is not None


def _words(value: Any) -> list[str]:
    """An entry of a profile as Snakemake's command line has it: `rule:resource=value`, `key=value`."""
    if isinstance(value, Mapping):
        return [
            f"{key}:{name}={part}" if isinstance(inner, Mapping) else f"{key}={inner}"
            for key, inner in value.items()
            for name, part in (inner.items() if isinstance(inner, Mapping) else [("", "")])
        ]
    return [str(word) for word in (value if isinstance(value, list) else [value])]


def plan(
    root: Path,
    known: rates.Rates,
    *,
    targets: Sequence[str] = (),
    configfiles: Sequence[Path] = (),
    workflow_profile: Path | None = None,
    everything: bool = False,
    work: Path | None = None,
) -> tuple[list[Cost], int | None]:
    """Cost of the jobs of the workflow in `root` that are due in the folder `work`, or of `everything`.

    Also returns how many jobs the profile runs at a time, None where it does not say. Raises ValueError for a
    mistake in a configuration, a profile or a target.
    """
    settings = settings_of(workflow_profile)
    config = configuration(root, configfiles)
    schema = read_schema(root / "schemas" / "config.schema.yaml")
    check(config, schema)
    folder = (work or root).resolve()
    config["fan"]["weights"] = origins.find(config, root, folder).weights
    configs = configurations(placed(config, folder), schema)
    files = tuple(path.absolute() for path in configfiles) or (root / "config.yaml",)
    workflow = Workflow(root, folder, files)
    due = list_jobs(workflow, targets=targets, everything=everything, options=settings.options)
    return [cost(job, known, configs) for job in jobs_of(due, configs)], settings.jobs


def list_jobs(
    workflow: Workflow, *, targets: Sequence[str], everything: bool, options: Sequence[str]
) -> list[Event]:
    """Events of a dry run for the jobs that are due, or for `everything`; raises ValueError if it fails."""
    words = [*targets, "--dry-run", "--nolock", *(["--forceall"] if everything else []), *options]
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl", encoding="utf-8") as source:
        done = subprocess.run(
            replace(workflow, cores=ALL_CORES).command(*words, *telling(Path(source.name))),
            cwd=workflow.work,
            env=workflow.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        events = read_events(source.file)
    if done.returncode:
        raise ValueError(_reason(events, done.stdout))
    return events


def _reason(events: Iterable[Event], said: str) -> str:
    """Reason of a failed dry run, in one sentence: from its events, or from the end of its output `said`."""
    message = next((event["msg"] for event in events if event["event"] == "error"), said[-300:])
    lines = message.splitlines()
    wrong = next((line for line in lines if line.startswith("config: ")), None)
    return wrong or f"Snakemake cannot plan this: {' '.join(' '.join(lines[:SHOWN_LINES]).split())}"


def jobs_of(events: Iterable[Event], variant_names: Iterable[str]) -> list[Job]:
    """Jobs in the events of a dry run. A job without a benchmark only gathers files and costs nothing."""
    return [
        _job(event, variant_names) for event in events if event["event"] == "job_info" and event["benchmark"]
    ]


def _job(event: Event, variant_names: Iterable[str]) -> Job:
    rule, resources = event["rule_name"], event["resources"]
    owner = next((name for name in variant_names if name and rule.startswith(f"{name}_")), "")
    memory_mb = resources.get("mem_mb")
    return Job(
        rule.removeprefix(f"{owner}_") if owner else rule,
        event["wildcards"],
        owner,
        frozenset(event["input"]),
        frozenset(event["output"]),
        event["threads"],
        int(resources.get("gpu", resources.get("gpus", 0))),
        memory_mb if isinstance(memory_mb, int) else None,  # it may be known only when the job starts
    )


def placed(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A configuration whose clips and data sets are found from anywhere; its paths start in `folder`."""
    driving, evaluation = config["driving"], config["evaluation"]
    clips = [{**clip, "path": str(folder / clip["path"])} for clip in driving["clips"]]
    sets = [
        {key: value if key == "name" else str(folder / value) for key, value in entry.items()}
        for entry in evaluation["datasets"]
    ]
    return merged(config, {"driving": {"clips": clips}, "evaluation": {"datasets": sets}})


def configurations(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The configuration of the main run, called "", and of every ablation."""
    overlays = ablations.overlays(config)
    return {"": config, **variants(config, overlays, schema)}


def cost(job: Job, known: rates.Rates, configs: Mapping[str, Mapping[str, Any]]) -> Cost:
    """Cost of a job by rates that are `known`; open where its clip is not there yet."""
    device = "gpu" if job.gpus else "cpu"
    measured = known.measured(job.rule, device)
    try:
        units = planned(job.rule, job.wildcards, configs[job.variant])
    except ValueError:
        return Cost(job)
    return Cost(
        job,
        units,
        known.seconds(job.rule, units, device),
        known.memory_mb(job.rule, units, device),
        known.disk_bytes(job.rule, units),
        elsewhere=any(point.device != device for point in measured),
        beyond=bool(measured) and units > FAR * max(point.units for point in measured),
    )


def wall_seconds(costs: Sequence[Cost], *, cores: int | None = None, nodes: int | None = None) -> float:
    """Time until the last job ends, with `cores` of one machine or that many `nodes` with one job each.

    A job starts as soon as all that makes its inputs has ended and there is room for it, in the order of the
    plan. With fewer cores than threads it takes longer in proportion. Jobs without a rate take no time.
    """
    room = cores or nodes or 1
    makers = {path: index for index, entry in enumerate(costs) for path in entry.job.outputs}
    waits = [{makers[path] for path in entry.job.inputs if path in makers} for entry in costs]
    waiting, now = list(range(len(costs))), 0.0
    running: list[tuple[float, int, int]] = []  # end, index and cores of a job
    ended: set[int] = set()
    while waiting or running:
        for index in list(waiting):
            wanted = 1 if cores is None else min(costs[index].job.threads, cores)
            if wanted <= room and waits[index] <= ended:
                slower = 1.0 if cores is None else costs[index].job.threads / wanted
                heapq.heappush(running, (now + slower * (costs[index].seconds or 0.0), index, wanted))
                waiting.remove(index)
                room -= wanted
        now, index, freed = heapq.heappop(running)
        ended.add(index)
        room += freed
    return now


def by_rule(costs: Iterable[Cost]) -> dict[str, list[Cost]]:
    """Costs by rule, ablations with the rule that they repeat, in the order of the plan."""
    groups = defaultdict(list)
    for entry in costs:
        groups[entry.job.rule].append(entry)
    return dict(groups)
