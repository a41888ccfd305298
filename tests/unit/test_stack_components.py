from pathlib import Path

import pytest

from ml_pipeline.stack import components
from ml_pipeline.stack.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    fresh = State(tmp_path / "x y" / ".local")
    fresh.prepare()
    return fresh


def environment(state: State) -> dict[str, str]:
    return components.airflow_environment(
        state, Path("/x y"), state.secrets(), dsn="postgresql://airflow:p@127.0.0.1:1/airflow", port=2
    )


def test_another_airflows_settings_are_not_inherited():
    kept = components.inherited({"AIRFLOW_HOME": "/other", "MLFLOW_TRACKING_URI": "http://other", "LANG": "C"})

    assert kept["LANG"] == "C"
    assert not {"AIRFLOW_HOME", "MLFLOW_TRACKING_URI"} & set(kept)


def test_a_proxy_is_not_asked_for_this_machine():
    kept = components.inherited({"NO_PROXY": "intranet"})

    assert kept["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_no_password_stands_on_a_command_line(state: State):
    secrets = state.secrets()
    parts = (
        components.mlflow_server(state, dsn=f"postgresql://mlflow:{secrets.mlflow}@127.0.0.1:1/mlflow", port=3),
        *components.airflow_parts(environment(state)),
    )

    written = " ".join(word for part in parts for word in part.command)

    assert [name for name in secrets.__struct_fields__ if getattr(secrets, name) in written] == []


def test_a_component_does_not_print_its_secrets(state: State):
    part = components.airflow_parts(environment(state))[0]

    assert state.secrets().jwt not in repr(part)


def test_every_part_listens_on_this_machine_only(state: State):
    airflow = environment(state)
    mlflow = components.mlflow_server(state, dsn="postgresql://", port=3).environment
    logs_on_a_port = [
        part.name
        for part in components.airflow_parts(airflow)
        if part.name in ("airflow-scheduler", "airflow-triggerer") and "--skip-serve-logs" not in part.command
    ]

    assert airflow["AIRFLOW__API__HOST"] == mlflow["MLFLOW_HOST"] == "127.0.0.1"
    assert logs_on_a_port == []


def test_the_scheduler_starts_last(state: State):
    names = [part.name for part in components.airflow_parts(environment(state))]

    assert names[-1] == "airflow-scheduler"
    assert set(names) == {"airflow-api-server", "airflow-dag-processor", "airflow-triggerer", "airflow-scheduler"}
