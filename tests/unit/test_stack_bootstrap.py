"""The way from a fresh clone to .venv, without installing anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ml_pipeline.stack import bootstrap

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files the bootstrap reads, in a folder with a space, with an environment that seems complete."""
    root = tmp_path / "x y"
    shutil.copytree(CHECKOUT / "ml_pipeline/stack", root / "ml_pipeline/stack", ignore=shutil.ignore_patterns("__py*"))
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, root)
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").symlink_to(sys.executable)
    monkeypatch.chdir(root)
    return root


def complete(level: str) -> None:
    bootstrap.STAMP.write_text(f"{level} {bootstrap.digest(level)}\n", encoding="ascii")


def run_script(root: Path, level: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [root / "ml_pipeline/stack/bootstrap.sh", level],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def fake_python(folder: Path, name: str, version: str) -> Path:
    script = folder / name
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit 0\nexit 1\n')
    script.chmod(0o755)
    return script


def test_an_environment_without_a_stamp_is_not_current(checkout: Path):
    assert not bootstrap.is_current("run")


@pytest.mark.parametrize(("standing", "asked", "current"), [
    ("run", "run", True), ("dev", "dev", True), ("dev", "run", True), ("run", "dev", False),
])  # fmt: skip
def test_an_environment_serves_its_own_level_and_below(checkout: Path, standing: str, asked: str, current: bool):
    complete(standing)

    assert bootstrap.is_current(asked) is current


@pytest.mark.parametrize("changed", ["requirements.txt", "requirements-dev.txt", "pyproject.toml"])
def test_a_changed_pin_asks_for_an_installation(checkout: Path, changed: str):
    complete("dev")
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")

    assert not bootstrap.is_current("dev")


def test_a_moved_checkout_asks_for_an_installation(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    complete("run")
    moved = checkout.rename(checkout.with_name("moved"))
    monkeypatch.chdir(moved)

    assert not bootstrap.is_current("run")


def test_an_environment_whose_python_is_gone_is_not_current(checkout: Path):
    complete("run")
    bootstrap.PYTHON.unlink()
    bootstrap.PYTHON.symlink_to("/nowhere/python")

    assert not bootstrap.is_current("run")


def test_the_second_time_says_and_does_nothing(checkout: Path):
    complete("run")
    before = bootstrap.STAMP.stat().st_mtime_ns

    done = run_script(checkout, "run")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bootstrap.STAMP.stat().st_mtime_ns == before


def test_an_environment_that_uv_made_is_made_anew(checkout: Path):
    (checkout / ".venv/pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.13.9\n", encoding="utf-8")

    bootstrap.make_interpreter()

    assert not bootstrap.is_made_by_uv()
    assert bootstrap.version(bootstrap.PYTHON) == sys.version_info[:2]


def test_python_3_10_alone_is_refused_with_its_version_and_the_remedy(checkout: Path, tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    fake_python(programs, "python3", "3.10.13")
    (programs / "dirname").symlink_to(shutil.which("dirname") or "")

    done = run_script(checkout, "run", PATH=str(programs))

    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13; python3 is: Python 3.10.13." in done.stderr
    assert "make PYTHON=" in done.stderr


def test_a_named_python_that_does_not_fit_is_refused_though_others_would(checkout: Path, tmp_path: Path):
    named = fake_python(tmp_path, "python3.9", "3.9.1")

    done = run_script(checkout, "run", PYTHON=str(named))

    assert done.returncode == 1
    assert f"{named} is: Python 3.9.1" in done.stderr


def test_a_full_disk_is_named_before_anything_is_made(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(bootstrap.NEEDED_BYTES, "run", 10**18)

    with pytest.raises(bootstrap.BootstrapError, match="GB free"):
        bootstrap.main("run")


def test_uv_is_told_the_index_and_the_certificates_pip_is_set_up_for(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    bootstrap.PYTHON.unlink()
    bootstrap.PYTHON.write_text('#!/bin/sh\ncase "$5" in *index-url) echo "https://index.example/simple";; esac\n')
    bootstrap.PYTHON.chmod(0o755)
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CERT", "/etc/company.pem")

    told = bootstrap.environment()

    assert told["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert told["SSL_CERT_FILE"] == "/etc/company.pem"


def test_what_uv_was_told_itself_wins_over_pip(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-pip.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://of-uv.example/simple")

    assert bootstrap.environment()["UV_DEFAULT_INDEX"] == "https://of-uv.example/simple"
