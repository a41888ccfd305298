"""What holds for every metric in the catalogue."""

import importlib
import math
import pkgutil

import pytest

from ml_pipeline.database.named_sql import rollups
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics import catalogue
from ml_pipeline.metrics.catalogue import COMPOUNDS, METRICS
from ml_pipeline.metrics.metric import Unit
from tests.integration.events import after, append, rows, sales_floor, trust_all

HOURLY = "SELECT * FROM metric_rollups ORDER BY hour, metric, task, mode, version, slice"


@pytest.fixture
def floor(database):
    append(database, sales_floor())
    ingest_events.run()
    trust_all(database)
    roll_up_metrics.run()
    return database


def test_every_metric_in_the_package_is_listed_under_its_name_and_has_its_statement():
    modules = [
        importlib.import_module(f"ml_pipeline.metrics.catalogue.{each.name}")
        for each in pkgutil.iter_modules(catalogue.__path__)
    ]

    assert {module.__name__.rpartition(".")[2]: module.METRIC for module in modules} == {**METRICS, **COMPOUNDS}
    assert set(rollups().available_queries) == {metric.rollup for metric in METRICS.values()}


def test_a_compound_is_made_of_a_metric_and_of_slices_that_it_has():
    for compound in COMPOUNDS.values():
        assert set(compound.dimensions) <= set(METRICS[compound.of].dimensions), compound.name


@pytest.mark.parametrize("metric", [*METRICS.values(), *COMPOUNDS.values()], ids=lambda metric: metric.name)
def test_a_metric_says_what_is_counted(metric):
    assert len(metric.definition.split()) >= 4
    assert metric.definition.endswith(".")


def test_every_metric_has_rows_and_every_row_a_metric(floor):
    assert {row["metric"] for row in rows(floor, HOURLY)} == set(METRICS)


def test_values_are_finite_over_something_and_within_their_unit(floor):
    for row in rows(floor, HOURLY):
        assert math.isfinite(row["value"]), row
        assert row["n"] > 0, row
        if METRICS[row["metric"]].unit is Unit.SHARE:
            assert 0 <= row["value"] <= 1, row


def test_rolling_up_again_gives_the_same_rows(floor):
    before = rows(floor, HOURLY)

    counts = roll_up_metrics.run(after(days=-1), after(days=9))

    assert counts["rows"] == len(before)
    assert rows(floor, HOURLY) == before


def test_an_hour_alone_gives_what_it_gave_among_all(floor):
    before = rows(floor, HOURLY)
    rows(floor, "DELETE FROM metric_rollups")
    hours = sorted({row["hour"] for row in before})

    for hour in hours:
        roll_up_metrics.run(hour, hour.replace(minute=59))

    assert rows(floor, HOURLY) == before


def test_hours_without_facts_have_no_rows(database):
    rows(database, "INSERT INTO quality_verdicts (hour, state) VALUES (%(hour)s, 'trusted')", hour=after(0))

    counts = roll_up_metrics.run(after(days=-1), after(days=1))

    assert counts == {"hours": 1, "rows": 0}
