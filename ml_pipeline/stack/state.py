"""What the stack keeps in ``.local/``: folders, secrets, ports, who runs it, what it started."""

import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ml_pipeline.errors import StackError
from ml_pipeline.stack.postgres import Postgres, is_reachable
from ml_pipeline.stack.processes import Child, is_same

FREE_BYTES = 500_000_000
"""A new cluster, its write-ahead log and Airflow's tables take 200 MB; under 500 MB Postgres may stop half-way."""

ELSEWHERE = Path("/var/lib")
"""Where root's cluster goes when its user cannot enter the checkout: kept over a restart, unlike /tmp."""


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """Everything generated once, at the first start."""

    ml_capture: str
    ml_jobs: str
    ml_dashboards: str
    airflow: str
    mlflow: str
    airflow_admin: str
    jwt: str
    fernet: str
    api: str
    customer_key: str


@dataclass(frozen=True, slots=True)
class State:
    """The folder ``root``, an absolute path, and what lies where in it."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def airflow(self) -> Path:
        return self.root / "airflow"

    @property
    def artifacts(self) -> Path:
        return self.root / "mlflow"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"

    def prepare(self) -> None:
        """Make the folders, private to their owner.

        Raises:
            StackError: if they cannot be written or the disk is full.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            # Entered by the database's user, listed by nobody else.
            self.root.chmod(0o711)
            for folder in (self.logs, self.airflow, self.artifacts, self.root / "spool", self.root / "cache"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(
                f"cannot write {self.root}: {error.strerror}; it belongs to uid {_owner(self.root)}, we are uid"
                f" {os.geteuid()}: run as its owner, or remove it"
            ) from error
        free = shutil.disk_usage(self.root).free
        if free < FREE_BYTES:
            raise StackError(
                f"{free / 1e6:.0f} MB free on the disk of {self.root}, the stack needs {FREE_BYTES / 1e6:.0f} MB;"
                " make room and start again"
            )

    def secrets(self) -> Secrets:
        """Return the stack's secrets, generated at the first call and the same ever after."""
        file = self.root / "secrets.json"
        if not file.exists():
            fresh = {name: secrets.token_urlsafe(32) for name in Secrets.__struct_fields__}
            fresh["airflow_admin"] = secrets.token_urlsafe(9)
            fresh["fernet"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
            write_private(file, json.dumps(fresh, indent=1))
        return msgspec.json.decode(file.read_bytes(), type=Secrets)

    def cluster(self) -> Path:
        """Return the folder of the Postgres cluster.

        It lies in here, or, remembered in here, where root's unprivileged server can reach it.
        """
        here, note = self.root / "postgres", self.root / "postgres.elsewhere"
        if note.exists():
            return Path(note.read_text(encoding="utf-8"))
        if here.exists() or is_reachable(self.root):
            return here
        elsewhere = Path(tempfile.mkdtemp(prefix="ml-pipeline-", dir=ELSEWHERE))
        elsewhere.chmod(0o711)
        folder = elsewhere / "postgres"
        note.write_text(str(folder), encoding="utf-8")
        return folder

    def ports(self) -> dict[str, int]:
        """Return the ports of the last start by name."""
        file = self.root / "ports.json"
        return dict(json.loads(file.read_text(encoding="ascii"))) if file.exists() else {}

    def remember_ports(self, ports: dict[str, int]) -> None:
        write_private(self.root / "ports.json", json.dumps(ports))

    def children(self) -> list[Child]:
        """Return what the last supervisor started and did not see end."""
        file = self.root / "children.json"
        return [Child(**row) for row in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []

    def remember_children(self, children: Iterable[Child]) -> None:
        write_private(self.root / "children.json", json.dumps([asdict(child) for child in children]))

    def postgres(self) -> Postgres | None:
        """Return the cluster of the last start, None before the first."""
        port = self.ports().get("postgres")
        return Postgres(self.cluster(), port) if port else None

    def remove(self) -> None:
        """Remove everything, the cluster too; the stack must not run."""
        if (self.root / "postgres.elsewhere").exists():
            shutil.rmtree(self.cluster().parent, ignore_errors=True)
        shutil.rmtree(self.root, ignore_errors=True)
        if self.root.exists():
            raise StackError(f"cannot remove {self.root}; it belongs to uid {_owner(self.root)}")


class Lock:
    """One supervisor per checkout. Held by the process, and by whoever inherits ``descriptor``, until both are gone."""

    def __init__(self, state: State) -> None:
        self._file = state.root / "supervisor.lock"
        self.descriptor = -1

    def take(self, *, wait_seconds: float = 0.0) -> bool:
        """Take the lock and name ourselves in it; False if another held it all the time."""
        deadline = time.monotonic() + wait_seconds
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(0.1)
        self.descriptor = descriptor
        return True

    def sign(self, child: Child) -> None:
        """Write who holds the lock, for ``holder``."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(asdict(child)).encode(), 0)

    def release(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def holder(self) -> Child | None:
        """Return the supervisor that runs, None where none does."""
        try:
            signed: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        child = Child(**signed)
        return child if is_same(child.pid, child.created) else None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(file: Path, text: str) -> None:
    """Replace ``file`` at once, readable by its owner only."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(text)
    fresh.replace(file)


def _owner(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return path.stat().st_uid
