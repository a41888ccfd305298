"""Which ports the stack listens on: named, else the last ones, else free ones."""

import os
import random
import socket
from collections.abc import Mapping

from ml_pipeline.errors import StackError

NAMES = ("postgres", "mlflow", "airflow")
FREE = range(20_000, 32_000)
"""Below the ports that systems hand to outgoing connections, so that nobody takes one between choice and use."""


def choose_ports(remembered: Mapping[str, int], environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Return a free port of 127.0.0.1 per name.

    ``ML_PIPELINE_<NAME>_PORT`` in the environment wins, then the remembered port if it is still free.

    Raises:
        StackError: if a port named in the environment is taken or is no port.
    """
    chosen: dict[str, int] = {}
    for name in NAMES:
        variable = f"ML_PIPELINE_{name.upper()}_PORT"
        if variable in environment:
            chosen[name] = _named(variable, environment[variable], chosen)
        elif remembered.get(name) not in chosen.values() and is_free(remembered.get(name, 0)):
            chosen[name] = remembered[name]
        else:
            chosen[name] = _any_free(chosen)
    return chosen


def is_free(port: int) -> bool:
    """Tell whether something could listen on this port of 127.0.0.1; 0 is no port."""
    if not port:
        return False
    with socket.socket() as probe:
        # A port whose last connections still linger is free for a listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _named(variable: str, value: str, chosen: Mapping[str, int]) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65_536:
        raise StackError(f"{variable}={value} is no port; name one from 1 to 65535 or unset it")
    port = int(value)
    if port in chosen.values() or not is_free(port):
        raise StackError(
            f"{variable}={port}: port {port} of 127.0.0.1 is taken or forbidden; stop what listens there, name"
            " another port, or unset the variable and a free one is chosen"
        )
    return port


def _any_free(chosen: Mapping[str, int]) -> int:
    for port in random.sample(FREE, 200):
        if port not in chosen.values() and is_free(port):
            return port
    raise StackError(f"no free port between {FREE.start} and {FREE.stop} on 127.0.0.1; name some, see .env.example")
