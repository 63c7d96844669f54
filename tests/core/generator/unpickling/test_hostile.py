"""All hostile files are read in one process that notes what each has cost and done."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import genuine_checkpoints as genuine
import hostile_checkpoints as hostile
import pytest

from d2a_core.generator.unpickling import machine

ROOT = Path(__file__).parents[4]
MOST_SECONDS = 5
MOST_BYTES = 200 << 20  # beyond twice the file's size
FLIPS = 60
FORBIDDEN = ("import", "exec", "compile", "os.", "subprocess.", "socket.", "pickle.", "ctypes.", "shutil.")


def watch_reading(folder):
    """Load every file of `folder` under a limit of memory; print one line of JSON for each."""
    events = []
    watched = None

    def note(event, args):
        if watched and (event.startswith(FORBIDDEN) or (event == "open" and args[0] != str(watched))):
            events.append(f"{event} {args!r}"[:300])

    warm_up = folder / "warm-up"
    for data in (genuine.nvidia(0), *(write() for write in genuine.WRITERS.values())):
        warm_up.write_bytes(data)
        machine.load(warm_up)  # imports the codecs of old protocols
    warm_up.unlink()
    sys.addaudithook(note)
    for path in sorted(folder.iterdir()):
        known = set(sys.modules)
        events.clear()
        resource.setrlimit(resource.RLIMIT_AS, (memory() + 2 * path.stat().st_size + MOST_BYTES, -1))
        start = time.monotonic()
        watched = path
        facts = outcome(path)
        watched = None
        facts["seconds"] = time.monotonic() - start
        facts["events"] = events + sorted(set(sys.modules) - known)
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        print(json.dumps({"file": path.name, **facts}), flush=True)


def memory():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def outcome(path):
    try:
        return {"value": type(machine.load(path)).__name__}
    except ValueError as error:
        return {"refusal": str(error)}
    except BaseException as error:  # noqa: BLE001, what escapes is what is looked for
        return {"escaped": repr(error)[:300]}


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    return tmp_path_factory.mktemp("canary") / "touched"


@pytest.fixture(scope="module")
def read(tmp_path_factory, canary):
    """Outcome of reading each hostile file, by its name."""
    folder = tmp_path_factory.mktemp("hostile")
    files = {**hostile.RUNNING, **hostile.BROKEN, **hostile.COSTLY}
    for name, write in files.items():
        (folder / name).write_bytes(write(str(canary)))
    for name, data in {**hostile.truncated(), **hostile.flipped(FLIPS)}.items():
        (folder / name).write_bytes(data)
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support")))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    facts = {line["file"]: line for line in map(json.loads, process.stdout.splitlines())}
    assert process.returncode == 0 and len(facts) == len(list(folder.iterdir())), process.stderr[-2000:]
    return facts


def assert_harmless(facts):
    assert "escaped" not in facts and not facts["events"], facts
    assert facts["seconds"] < MOST_SECONDS
    if "refusal" in facts:
        message = facts["refusal"]
        assert facts["file"] in message and "; " in message and "\n" not in message and len(message) < 700


@pytest.mark.parametrize("name", hostile.RUNNING)
def test_code_is_never_run(read, canary, name):
    assert_harmless(read[name])
    assert not canary.exists()


@pytest.mark.parametrize("name", hostile.BROKEN)
def test_what_cannot_be_is_refused_in_one_sentence(read, name):
    assert_harmless(read[name])
    assert "refusal" in read[name], read[name]


@pytest.mark.parametrize("name", hostile.COSTLY)
def test_what_is_as_large_as_may_be_is_read_within_limits(read, name):
    assert_harmless(read[name])


@pytest.mark.parametrize("name", hostile.CUTS)
def test_truncated_files_are_refused(read, name):
    assert_harmless(read[name])
    assert "refusal" in read[name]


def test_flipped_bits_are_refused_or_harmless(read):
    flips = [facts for name, facts in read.items() if "-bit-" in name]
    assert len(flips) == FLIPS * len(genuine.WRITERS)
    for facts in flips:
        assert_harmless(facts)


RUN_BY_PICKLE = [
    *("global_reduce", "global_reduce_protocol_0", "stack_global_reduce", "stack_global_of_dotted_name"),
    *(
        "instance",
        "object_opcode",
        "build_with_setstate",
        "eval",
        "exec",
        "open",
        "popen",
        "imported_attribute",
    ),
    *("nested_reduce", "partial", "mapped", "pickle_loads", "array_of_objects", "nested_pickle"),
]


@pytest.mark.parametrize("name", RUN_BY_PICKLE)
def test_the_canary_is_touched_where_pickle_itself_reads_the_file(tmp_path, name):
    canary = tmp_path / "touched"
    (tmp_path / "file").write_bytes(hostile.RUNNING[name](str(canary)))
    program = f"import pickle; pickle.load(open({str(tmp_path / 'file')!r}, 'rb'))"
    subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert canary.exists()


def test_the_memory_limit_stops_a_reader_without_bounds(tmp_path):
    (tmp_path / "bomb").write_bytes(hostile.BROKEN["many_sets"](""))
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MOST_BYTES}, -1)); "
    program = limit + f"import pickle; pickle.load(open({str(tmp_path / 'bomb')!r}, 'rb'))"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "MemoryError" in process.stderr


def test_devices_are_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="is a folder or a device"):
            machine.load(path)


if __name__ == "__main__":
    watch_reading(Path(sys.argv[1]))
