"""What a person sees of the catalogue and of one metric."""

import json

import pytest
from typer.testing import CliRunner

from ml_pipeline.cli import app
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics.catalogue import COMPOUNDS, METRICS
from tests.integration.events import after, append, outcome, trust_all, turn


def asked(*words: str) -> str:
    result = CliRunner().invoke(app, ["metrics", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_catalogue_lists_every_metric():
    listed = json.loads(asked("--json"))

    assert [each["name"] for each in listed] == [*METRICS, *COMPOUNDS]
    assert listed[0]["dimensions"][0] == "label"


def test_a_metric_is_shown_day_by_day_with_its_interval(database):
    append(database, [turn("a", 0), turn("b", 0), outcome("a", "converted"), outcome("b", "lost")])
    append(database, [turn("c", 0, conversation={"language": "es"}), outcome("c", "converted")])
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()

    told = json.loads(asked("show", "conversion_rate", "--since", f"{after(0):%Y-%m-%d}", "--json"))
    spanish = json.loads(asked("show", "conversion_rate", "--slice", "language=es", "--json"))

    (day,) = told["days"]
    assert (day["n"], day["value"]) == (3, pytest.approx(2 / 3))
    assert day["low"] < day["value"] < day["high"]
    assert [each["n"] for each in spanish["days"]] == [1]
    assert "No day has this figure." in asked("show", "accuracy")


def test_a_metric_that_is_not_is_refused():
    result = CliRunner().invoke(app, ["metrics", "show", "luck"])

    assert result.exit_code == 2
    assert "luck" in result.output
