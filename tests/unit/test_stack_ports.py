import socket

import pytest

from ml_pipeline.errors import StackError
from ml_pipeline.stack.ports import NAMES, choose_ports, is_free


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_every_part_gets_a_free_port_of_its_own():
    ports = choose_ports({}, {})

    assert set(ports) == set(NAMES)
    assert len(set(ports.values())) == len(NAMES)
    assert all(is_free(port) for port in ports.values())


def test_the_last_ports_are_used_again_while_they_are_free():
    first = choose_ports({}, {})

    assert choose_ports(first, {}) == first


def test_a_remembered_port_that_somebody_took_is_replaced(taken: int):
    ports = choose_ports({"mlflow": taken}, {})

    assert ports["mlflow"] != taken


def test_a_named_port_wins_over_the_remembered_one():
    named = choose_ports({}, {})["airflow"]

    assert choose_ports({"airflow": 1}, {"ML_PIPELINE_AIRFLOW_PORT": str(named)})["airflow"] == named


def test_a_named_port_that_is_taken_is_refused_with_its_number_and_the_remedy(taken: int):
    with pytest.raises(StackError, match=rf"ML_PIPELINE_AIRFLOW_PORT={taken}.*another port"):
        choose_ports({}, {"ML_PIPELINE_AIRFLOW_PORT": str(taken)})


def test_one_port_cannot_be_named_twice():
    port = str(choose_ports({}, {})["airflow"])

    with pytest.raises(StackError, match=port):
        choose_ports({}, {"ML_PIPELINE_AIRFLOW_PORT": port, "ML_PIPELINE_MLFLOW_PORT": port})


@pytest.mark.parametrize("value", ["", "http", "0", "-1", "65536", "80 80"])
def test_what_is_no_port_is_refused(value: str):
    with pytest.raises(StackError, match="is no port"):
        choose_ports({}, {"ML_PIPELINE_POSTGRES_PORT": value})
