"""A SLURM of one node on this machine; all that it writes lies in one temporary folder."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "srun", "squeue", "scancel", "scontrol")
SBIN = ("/usr/sbin", "/sbin")
PATIENCE_S = 60
# More processors than the machine has: one job starts while another computes. Memory is watched and not
# fenced in: a job over its share is killed within some seconds, without cgroups, which may not be ours.
CONF = """
ClusterName=d2a
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={daemon_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=86400
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:1 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
GRES = "Name=gpu File=/dev/null\n"  # a GPU to ask for, not to compute with
SRUN = """#!/bin/sh
SLURM_CONF={conf} exec {srun} "$@"
"""


class Cluster:
    """Runs between `start` and `stop`; programs find it by `environment`."""

    def __init__(self):
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
        self.programs = {name: shutil.which(name, path=path) for name in PROGRAMS}
        missing = [name for name, found in self.programs.items() if found is None]
        if missing:
            raise RuntimeError(
                f"{', '.join(missing)} not found; these tests run profiles/slurm on a real SLURM: "
                "install it with `apt-get install slurm-wlm munge`"
            )
        # not pytest's folder: the path of a socket must be short
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        conf, path = self.folder / "slurm.conf", os.pathsep.join((str(self.folder / "bin"), path))
        self.environment = os.environ | {"SLURM_CONF": str(conf), "PATH": path}
        self.daemons = []

    def start(self):
        """Start the daemons and wait until the node is idle."""
        self.folder.chmod(0o755)
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        # jobs call srun without the variables of SLURM, and /etc is not ours to write
        srun = self.folder / "bin" / "srun"
        srun.write_text(SRUN.format(conf=self.environment["SLURM_CONF"], srun=self.programs["srun"]))
        srun.chmod(0o755)
        (self.folder / "slurm.conf").write_text(self._conf())
        (self.folder / "gres.conf").write_text(GRES)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {"key-file": key.name, "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "seed"}
        words = [f"--{name}={self.folder / file}" for name, file in files.items()]
        self._daemon("munged", "--foreground", "--force", *words)
        self._wait((self.folder / "munge.socket").exists, "munged has no socket")
        self._daemon("slurmctld", "-D", "-i")
        self._daemon("slurmd", "-D")
        self._wait(lambda: self.ask("sinfo", "--noheader", "--format=%T") == "idle", "no node is idle")

    def stop(self):
        """End the jobs, then the daemons and whatever they leave behind."""
        orphans = [child for daemon in self.daemons for child in _family(daemon)]
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in [*orphans, *self._jobs()]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, program, *words):
        """Output of a command of SLURM, or its errors."""
        done = subprocess.run(
            [self.programs[program], *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip()

    def jobs(self):
        """All jobs since the start, oldest first: id, rule, state, memory and time asked for."""
        fields = ("JobID", "Comment", "State", "MinMemory", "TimeLimit")
        form = ",".join(f"{name}:|" for name in fields)
        said = self.ask("squeue", "--noheader", "--states=all", "--sort=i", f"--Format={form}")
        return [dict(zip(fields, line.split("|"), strict=False)) for line in said.splitlines() if "|" in line]

    def _conf(self):
        ports = _free_ports(2)
        return CONF.format(
            folder=self.folder,
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            controller_port=ports[0],
            daemon_port=ports[1],
            cpus=max(4, os.cpu_count()),
            memory_mb=max(8000, psutil.virtual_memory().total // 2**20),
        )

    def _daemon(self, name, *words):
        with (self.folder / f"{name}.log").open("w") as log:
            self.daemons.append(
                subprocess.Popen(
                    [self.programs[name], *words],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    def _wait(self, true, problem):
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            dead = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = [f"{log.name}:\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log")]
                raise RuntimeError("\n".join([problem, *(f"{name} ended" for name in dead), *logs]))
            time.sleep(0.1)

    def _jobs(self):
        """Processes of jobs: they carry the path of our configuration."""
        conf = self.environment["SLURM_CONF"]
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and process.environ().get("SLURM_CONF") == conf:
                    yield process
            except (psutil.Error, OSError):
                pass


def _family(daemon):
    try:
        return psutil.Process(daemon.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
