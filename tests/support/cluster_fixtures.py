"""A Slurm cluster and a Ray cluster of two nodes each on this machine, for tests; brought up once a session."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs_study import wait_for

CLUSTER = Path(__file__).parent / "cluster"
BIN = str(Path(sys.executable).parent)


class Slurm:
    """The cluster: how to see to its nodes."""

    def __init__(self, lab):
        self.lab = Path(lab)

    def kill_node(self, name):
        """As if its plug was pulled: the daemon, and all that runs under it."""
        daemon = int((self.lab / f"run/slurmd-{name}.pid").read_text())
        jobs = list(self.processes(f"SLURMD_NODENAME={name}"))
        pull_the_plug([daemon, *{parent_of(pid) for pid in jobs if "slurmstepd" in command_of(parent_of(pid))}, *jobs])

    def processes(self, variable="SLURM_JOB_ID="):
        """The batch scripts that run and what they started, and nothing of Slurm itself."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "environ").read_bytes().decode("utf-8", "replace").split("\0")
            except OSError:
                continue
            ours = f"SLURM_CONF={self.lab}/etc/slurm.conf" in words and not command_of(path.name).startswith("slurmst")
            if ours and all(any(word.startswith(one) for word in words) for one in ("SLURM_JOB_ID=", variable)):
                yield int(path.name)

    def start_node(self, name):
        subprocess.run(["slurmd", "-N", name], check=True)


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_of(pid):
    """The name of what a process runs."""
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def pull_the_plug(pids):
    """End processes so that none sees another's end."""
    pids = list(pids)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            kill(pid, number)


def kill(pid, number=signal.SIGKILL):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory):
    """Slurm on two virtual nodes of this machine, from the packages of the distribution."""
    if os.geteuid() != 0:
        pytest.skip("a Slurm cluster of one's own needs root")
    if not shutil.which("slurmctld") and not (os.environ.get("CI") == "true" and shutil.which("apt-get")):
        pytest.skip("no Slurm here; the tests install its packages (Debian, Ubuntu) only where CI=true is set")
    lab = f"/run/fallline-{os.getpid()}"  # a socket's path must be short
    first = 20_000 + os.getpid() * 128 % 12_000  # below the ports that the system gives away
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("SLURM_LAB", lab),
            ("CTLD_PORT", first),
            ("NODE_PORT", first + 1),
            ("SRUN_PORTS", f"{first + 10}-{first + 100}"),
        ):
            patch.setenv(name, str(value))
        up = subprocess.run([CLUSTER / "slurm_up.sh"], capture_output=True, text=True, timeout=300)
        if up.returncode == 3:
            pytest.skip(f"Slurm's packages cannot be installed here: {up.stderr.strip()[-300:]}")
        assert up.returncode == 0, up.stderr
        yield Slurm(lab)
        subprocess.run([CLUSTER / "slurm_down.sh"], capture_output=True, check=True, timeout=120)
        shutil.rmtree(lab, ignore_errors=True)


@pytest.fixture
def slurm(slurm_cluster, monkeypatch):
    """The cluster's commands answer within this test."""
    monkeypatch.setenv("SLURM_CONF", f"{slurm_cluster.lab}/etc/slurm.conf")
    monkeypatch.setenv("PATH", f"{slurm_cluster.lab}/bin{os.pathsep}{os.environ['PATH']}")
    return slurm_cluster


LOOPBACK = """
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
print("up", flush=True)
input()
"""
"""Sets the loopback of a new network namespace up, and keeps the namespace until its input ends."""


class Ray:
    """The cluster, in a network of its own: ``address``, and how to run a command there."""

    def __init__(self, keeper):
        # Another session's has another, since Ray looks for others by what their commands say; above Ray's own ports.
        self.port = 20_500 + os.getpid() % 11_500
        self.address = f"127.0.0.2:{self.port}"
        self.keeper = keeper
        self.nodes = {}
        self.inside = ["nsenter", f"--net=/proc/{keeper.pid}/ns/net"]

    def start_node(self, ip, head=False):
        where = (
            [f"--address={self.address}"]
            if not head
            else ["--head", f"--port={self.port}", "--include-dashboard=false"]
        )
        ray = [
            *self.inside,
            f"{BIN}/ray",
            "start",
            "--block",
            f"--node-ip-address={ip}",
            "--num-cpus=1",
            "--object-store-memory=80000000",
            "--disable-usage-stats",
            *where,
        ]
        self.nodes[ip] = subprocess.Popen(
            ray, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill_node(self, ip):
        """All processes of the node, and what they started."""
        node = self.nodes.pop(ip)
        pull_the_plug(descendants(node.pid))
        node.wait(30)

    def size(self):
        code = (
            f"import ray; ray.init(address='{self.address}', log_to_driver=False, configure_logging=False);"
            "print(sum(node['Alive'] for node in ray.nodes()))"
        )
        try:
            told = subprocess.run(
                [*self.inside, sys.executable, "-c", code], capture_output=True, text=True, timeout=60
            )
        except subprocess.TimeoutExpired:
            return 0
        counts = [line for line in told.stdout.splitlines() if line.isdigit()]  # Ray may say more, before and after
        return int(counts[-1]) if told.returncode == 0 and counts else 0


def descendants(pid):
    """A process and all that came of it, children first told last."""
    children = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@pytest.fixture(scope="session")
def ray_cluster():
    """Ray on two nodes of this machine, in a network that leads nowhere else."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: python -m pip install -e '.[ray]'")
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("a network of one's own needs root, unshare and nsenter")
    keeper = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-c", LOOPBACK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert keeper.stdout.readline() == b"up\n"
    cluster = Ray(keeper)
    with pytest.MonkeyPatch.context() as patch:
        # A node that is gone, and refuses, is noticed within seconds; one that is slow to answer is not gone.
        patch.setenv("RAY_health_check_initial_delay_ms", "5000")
        patch.setenv("RAY_health_check_period_ms", "1000")
        patch.setenv("RAY_health_check_timeout_ms", "20000")
        patch.setenv("RAY_health_check_failure_threshold", "5")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        try:
            cluster.start_node("127.0.0.2", head=True)
            wait_for(lambda: cluster.size() == 1)
            cluster.start_node("127.0.0.3")
            wait_for(lambda: cluster.size() == 2)
            yield cluster
        finally:
            for ip in list(cluster.nodes):
                cluster.kill_node(ip)
            keeper.communicate(b"\n")
