"""Makes ``.venv`` from the pin files; nothing happens while they have not changed.

Runs before anything is installed: standard library only, as a script, from the top of the checkout.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UV = "uv==0.13.9"
PINS = {"run": ("requirements.txt",), "dev": ("requirements.txt", "requirements-dev.txt")}
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "pins.stamp"
NEEDED_BYTES = {"run": 2_500_000_000, "dev": 2_700_000_000}
"""Free space for a fresh environment and the downloads on their way into it: 1.1 GB installed."""


class BootstrapError(Exception):
    """The environment cannot be made; the message says why and what to do."""


def digest(level: str) -> str:
    """Return what an environment of ``level`` is made from: pins, project file, place.

    The place is part of it because scripts inside an environment carry its absolute path.
    """
    parts = [str(Path.cwd()).encode(), *(Path(name).read_bytes() for name in (*PINS[level], "pyproject.toml"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def installed_level() -> str:
    """Return ``run`` or ``dev`` where an environment was once completed, else an empty word."""
    words = STAMP.read_text(encoding="ascii").split() if STAMP.is_file() else []
    return words[0] if len(words) == 2 and words[0] in PINS else ""


def is_current(level: str) -> bool:
    """Tell whether the environment that stands holds at least ``level`` of today's pins."""
    standing = installed_level()
    if not standing or (level == "dev" and standing == "run"):
        return False
    return STAMP.read_text(encoding="ascii").split()[1] == digest(standing) and version(PYTHON) is not None


def version(python: Path) -> "tuple[int, ...] | None":
    """Return (major, minor) of an interpreter, None where it does not run or this project does not run on it."""
    asked = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
    ) if python.exists() else None  # fmt: skip
    if asked is None or asked.returncode != 0:
        return None
    found = tuple(int(word) for word in asked.stdout.split())
    return found if (3, 11) <= found <= (3, 13) else None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def run(*command: str, remedy: str) -> None:
    """Run a step of the installation, its output going to the terminal.

    Raises:
        BootstrapError: if it fails; ``remedy`` is what the user should try.
    """
    outcome = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, check=False)
    if outcome.returncode != 0:
        raise BootstrapError(f"`{' '.join(command[:5])} …` failed with {outcome.returncode}; {remedy}")


def environment() -> "dict[str, str]":
    """Return the variables uv and pip run under: the index and certificates pip is set up for serve uv too."""
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    variables.update(PIP_DISABLE_PIP_VERSION_CHECK="1", UV_PYTHON_DOWNLOADS="never")
    if not os.access(Path(variables.get("HOME", "/nonexistent")), os.W_OK):
        variables.setdefault("UV_CACHE_DIR", str(VENV.resolve() / "cache"))
    for option, of_pip, of_uv in (
        ("index-url", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("cert", "PIP_CERT", "SSL_CERT_FILE"),
    ):
        if value := variables.get(of_pip) or pip_option(option):
            variables.setdefault(of_uv, value)
    return variables


def pip_option(name: str) -> str:
    """Return what pip's configuration files say, an empty word where they say nothing."""
    if not PYTHON.exists():
        return ""
    asked = (str(PYTHON), "-m", "pip", "config", "get", f"global.{name}")
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip().strip("'")


def refuse_without_room(level: str) -> None:
    free = shutil.disk_usage(".").free
    if not installed_level() and free < NEEDED_BYTES[level]:
        raise BootstrapError(
            f"{Path.cwd()} has {free / 1e9:.1f} GB free, the environment needs {NEEDED_BYTES[level] / 1e9:.1f} GB;"
            " make room or clone elsewhere"
        )


def make_interpreter() -> None:
    """Make ``.venv`` with the Python that runs this script, unless one stands that can be used."""
    named = os.environ.get("PYTHON")
    standing = version(PYTHON)
    if standing and not is_made_by_uv() and (not named or standing == sys.version_info[:2]):
        return
    say(f"[1/3] Python {sys.version.split()[0]} -> .venv")
    shutil.rmtree(VENV, ignore_errors=True)
    run(
        sys.executable, "-m", "venv", str(VENV),
        remedy="install the venv module (Debian: apt-get install python3-venv) or name another Python by PYTHON=",
    )  # fmt: skip


def is_made_by_uv() -> bool:
    """Tell whether uv made ``.venv``: ``uv pip sync`` would then remove pip and uv from under itself."""
    lines = (VENV / "pyvenv.cfg").read_text(encoding="utf-8").splitlines() if (VENV / "pyvenv.cfg").is_file() else []
    return any(line.split("=")[0].strip() == "uv" for line in lines)


def install(level: str) -> None:
    """Bring ``.venv`` to today's pins of ``level``, by a pinned uv."""
    say(f"[2/3] {UV}")
    if subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0:
        run(str(PYTHON), "-m", "ensurepip", remedy="remove .venv and try again")
    network = "look at the message above: a package index must be reachable (pip's settings count)"
    run(str(PYTHON), "-m", "pip", "install", "--quiet", UV, remedy=network)
    pins = PINS[level]
    packages = sum(line[:1].isalnum() for name in pins for line in Path(name).read_text(encoding="utf-8").splitlines())
    say(f"[3/3] up to {packages} packages of {' and '.join(pins)}; about 1 GB the first time")
    uv = (str(PYTHON), "-m", "uv", "pip")
    # A terminal sees progress bars; a log would see 250 lines of names.
    quiet = () if sys.stderr.isatty() else ("--quiet",)
    # Wheels only: a machine without a compiler gets a clear refusal instead of a build log.
    run(*uv, "sync", *quiet, "--python", str(PYTHON), "--only-binary", ":all:", *pins, remedy=network)
    run(*uv, "install", "--quiet", "--python", str(PYTHON), "--no-deps", "--editable", ".", remedy=network)


@contextmanager
def only_one_at_a_time() -> "Iterator[None]":
    """Wait for another installation in this checkout; the folder itself is the lock."""
    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def main(level: str) -> None:
    if is_current(level):
        return
    refuse_without_room(level)
    with only_one_at_a_time():
        if is_current(level):
            return
        wanted = "dev" if "dev" in (level, installed_level()) else "run"
        make_interpreter()
        STAMP.unlink(missing_ok=True)
        install(wanted)
        STAMP.write_text(f"{wanted} {digest(wanted)}\n", encoding="ascii")
        say("environment ready: .venv")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (BootstrapError, OSError) as error:
        say(f"ml-pipeline cannot make its environment: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; the next call goes on from here")
        sys.exit(130)
