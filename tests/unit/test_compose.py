"""docker-compose.yaml without a Docker engine: by the official schema, then by what we promise about it."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ml_pipeline.stack.components import AIRFLOW, MLFLOW, SILENCE

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = (CHECKOUT / "docker-compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
AIRFLOW_SERVICES = [name for name in SERVICES if name.startswith("airflow-")]
SECRET = re.compile(
    r"password|secret|fernet|customer_key|dsn|broker_url|result_backend|store_uri|sql_alchemy_conn", re.IGNORECASE
)
REQUIRED = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def variables(text: str) -> set[str]:
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))


def test_it_is_valid_by_the_compose_specification():
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())

    jsonschema.validate(COMPOSE, schema)


def test_the_parts_of_the_distributed_stack_are_there():
    assert set(SERVICES) == {
        "postgres", "redis", "prepare", "mlflow", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor",
        "airflow-triggerer", "airflow-worker",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_every_secret_is_required_from_the_environment(name: str):
    secrets = {key: value for key, value in SERVICES[name]["environment"].items() if SECRET.search(key)}

    assert secrets
    assert [key for key, value in secrets.items() if not REQUIRED.search(value)] == []


def test_no_url_carries_a_plain_password():
    assert re.findall(r"://[^\s:/]*:(?!\$\{)[^\s@]+@", TEXT) == []


def test_only_ports_have_defaults():
    with_default = set(re.findall(r"\$\{([A-Z_]+):-", TEXT))

    assert with_default == {"ML_PIPELINE_POSTGRES_PORT", "ML_PIPELINE_MLFLOW_PORT", "ML_PIPELINE_AIRFLOW_PORT"}
    assert variables(TEXT) - with_default == set(re.findall(r"\$\{([A-Z_]+):\?", TEXT))


def test_the_example_environment_names_every_variable_and_gives_no_value():
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")

    named = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))

    assert set(named) == variables(TEXT)
    assert {name for name, value in named.items() if value} <= {name for name in named if name.endswith("_PORT")}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "prepare"])
def test_every_service_that_stays_tells_its_health_and_is_started_again(name: str):
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["restart"] == "unless-stopped"


def test_nothing_starts_before_what_it_needs():
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}

    assert waits["prepare"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("mlflow", "airflow-api-server", "airflow-dag-processor", "airflow-triggerer"):
        assert waits[name] == {"prepare": {"condition": "service_completed_successfully"}}
    for name in ("airflow-scheduler", "airflow-worker"):
        assert waits[name]["airflow-api-server"] == {"condition": "service_healthy"}
        assert waits[name]["redis"] == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machine_only(name: str):
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_ours_is_built_here(name: str):
    service = SERVICES[name]

    assert re.fullmatch(r"[a-z-]+:\d+\.\d+(\.\d+)?(-bookworm)?", service["image"])
    assert ("build" in service) == service["image"].startswith("ml-pipeline:")


@pytest.mark.parametrize("name", ["prepare", *AIRFLOW_SERVICES])
def test_airflow_runs_under_the_settings_of_the_embedded_stack(name: str):
    environment = SERVICES[name]["environment"]

    assert {key: environment.get(key) for key in {**AIRFLOW, **SILENCE}} == {**AIRFLOW, **SILENCE}
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_mlflow_runs_under_the_settings_of_the_embedded_stack_and_asks_for_a_login():
    mlflow = SERVICES["mlflow"]

    assert {key: mlflow["environment"].get(key) for key in {**MLFLOW, **SILENCE}} == {**MLFLOW, **SILENCE}
    assert mlflow["command"][-2:] == ["--app-name", "basic-auth"]


@pytest.mark.parametrize("name", SERVICES)
def test_named_volumes_are_declared(name: str):
    used = {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])}

    assert used <= set(COMPOSE["volumes"])


def test_the_image_runs_as_a_plain_user_on_the_pin():
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines()

    assert re.fullmatch(
        r"FROM python:3\.12\.\d+-slim-bookworm", next(line for line in lines if line.startswith("FROM"))
    )
    assert [line for line in lines if line.startswith("USER")] == ["USER pipeline"]
    assert any("--requirement requirements.txt" in line or "-r requirements.txt" in line for line in lines)


def test_the_pin_holds_a_celery_that_airflows_executor_can_use(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "import airflow.providers.celery.executors.celery_executor"],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_the_images_postgres_is_the_embedded_one():
    major = SERVICES["postgres"]["image"].split(":")[1].split(".")[0]

    assert major == "18"
