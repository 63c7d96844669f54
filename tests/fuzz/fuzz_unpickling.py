"""Fuzz `unpickling.load`, guided by coverage.

In an environment that has this project and atheris, from the root of the repository:

    python tests/fuzz/fuzz_unpickling.py CORPUS -max_total_time=600 -timeout=5 -rss_limit_mb=2000

The first byte of an input says what the rest is: a file, the program of a zip archive whose checksums
are right, or a file within a pickle. CORPUS is a folder that keeps inputs which reach new code; where
it is empty it is filled with small genuine files and broken tensors. The run ends at the first input
that raises anything but a one-sentence ValueError, imports a module, runs or writes anything, takes
more than 5 s, or takes too much memory.
"""

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import genuine_checkpoints as genuine  # noqa: E402
import hostile_checkpoints as hostile  # noqa: E402

with atheris.instrument_imports(include=["d2a_core"]):
    from d2a_core.generator.unpickling import machine

FORBIDDEN = ("import", "exec", "compile", "os.", "subprocess.", "socket.", "pickle.", "ctypes.", "shutil.")
SHARED_MEMORY = Path("/dev/shm")
INPUT = Path(tempfile.mkdtemp(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)) / "input"
seen: list[str] = []
watching = False


def watch(event, args):
    """Note what no reading of a checkpoint may do."""
    if watching and (event.startswith(FORBIDDEN) or (event == "open" and args[0] != str(INPUT))):
        seen.append(f"{event} {args!r}"[:200])


def archive(program):
    """A zip archive of a program and two storages."""
    return hostile.archive(program, [("archive/data/0", bytes(16)), ("archive/data/1", bytes(64))])


FORMS = [bytes, archive, hostile.nested_file]


def read(data):
    """Read one input; whatever leaves this function is a finding."""
    global watching
    INPUT.write_bytes(FORMS[data[0] % len(FORMS)](data[1:]) if data else data)
    known = set(sys.modules)
    watching = True
    try:
        machine.load(INPUT)
    except ValueError as error:
        message = str(error)
        assert message.startswith(str(INPUT)) and "\n" not in message and "; " in message, message
    finally:
        watching = False
    assert not seen and set(sys.modules) == known, (seen, set(sys.modules) - known)


def fill(corpus):
    """Write small genuine files and the programs of others."""
    files = {name: b"\0" + write() for name, write in genuine.WRITERS.items()}
    for protocol in genuine.PROTOCOLS:
        files[f"tensorflow-{protocol}"] = b"\0" + genuine.tensorflow(protocol)
        files[f"nvidia-{protocol}"] = b"\0" + genuine.nvidia(protocol)
    for name, facts in hostile.TENSORS.items():
        files[f"{name}-archive"] = b"\1\x80\x02" + hostile.tensor(*facts) + b"."
        files[f"{name}-nested"] = b"\2" + hostile.old_tensor_file(facts)
    for name, data in files.items():
        (corpus / name).write_bytes(data)


def main():
    """Fill an empty corpus and fuzz."""
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders[:1]:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            fill(folder)
    for protocol in genuine.PROTOCOLS:
        INPUT.write_bytes(genuine.tensorflow(protocol))
        machine.load(INPUT)  # imports the codecs of old protocols, which no input may do
    sys.addaudithook(watch)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
