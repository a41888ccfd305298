"""What holds for every metric in the catalogue."""

import importlib
import math
import pkgutil
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.database.named_sql import rollups
from ml_pipeline.jobs import ingest_events, roll_up_metrics
from ml_pipeline.metrics import catalogue
from ml_pipeline.metrics.catalogue import COMPOUNDS, METRICS
from ml_pipeline.metrics.metric import Dimension, Metric, Unit
from tests.contracts.metric_floor import many_sided_floor
from tests.contracts.metric_recounts import RECOUNTS, read_facts
from tests.integration.events import after, append, rows, trust_all

HOURLY = "SELECT * FROM metric_rollups ORDER BY hour, metric, task, mode, version, slice"
ACTS = """
INSERT INTO acts (conversation_id, turn, act, at, source, probability, tagger, event_id, turn_event_id)
SELECT conversation_id, turn, act, at, 'model', 0.9, 'acts/1', event_id, event_id
FROM turns CROSS JOIN (VALUES ('objection_trust'), ('hesitation')) AS read(act)
WHERE turn IN (3, 5) AND get_byte(uuid_send(conversation_id), 0) < 128
"""


def arrive(database, events) -> None:
    append(database, events)
    ingest_events.run()
    trust_all(database)


def read_acts(database) -> None:
    for day in range(3):
        rows(database, "SELECT ensure_day_partition('acts', %(day)s::date)", day=after(days=day))
    rows(database, ACTS)


@pytest.fixture(scope="module")
def events():
    return many_sided_floor()


@pytest.fixture
def floor(database, events):
    arrive(database, events)
    read_acts(database)
    roll_up_metrics.run()
    return database


def slices(metric: Metric) -> Iterator[str]:
    """Yield the dimensions of the slices that ``metric`` should have, as ``dimensions_of`` tells them."""
    if not metric.is_only_sliced:
        yield ""
    has_currency = Dimension.CURRENCY in metric.dimensions
    for dimension in metric.dimensions:
        yield f"currency,{dimension}" if has_currency and dimension is not Dimension.CURRENCY else str(dimension)


def dimensions_of(name: str) -> str:
    return ",".join(part.partition("=")[0] for part in name.split(","))


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


def test_every_metric_has_rows_in_exactly_the_dimensions_it_declares(floor):
    found = {(row["metric"], dimensions_of(row["slice"])) for row in rows(floor, HOURLY)}

    assert found == {(metric.name, each) for metric in METRICS.values() for each in slices(metric)}


def test_every_figure_is_what_a_count_of_the_facts_by_hand_gives(floor):
    facts = read_facts(floor)
    for metric in METRICS.values():
        found = rows(floor, "SELECT * FROM metric_rollups WHERE metric = %(name)s", name=metric.name)
        counted = {key: figure for key, figure in RECOUNTS[metric.name](facts).items()
                   if dimensions_of(key[4]) in set(slices(metric))}  # fmt: skip

        rolled_up = {
            (row["hour"], row["task"], row["mode"], row["version"], row["slice"]): (row["value"], row["n"])
            for row in found
        }
        assert set(rolled_up) == set(counted), metric.name
        for key, (value, n) in counted.items():
            assert rolled_up[key] == (pytest.approx(value, abs=1e-9), n), (metric.name, key)


def test_values_are_finite_over_something_and_within_their_unit(floor):
    for row in rows(floor, HOURLY):
        assert math.isfinite(row["value"]), row
        assert row["n"] > 0, row
        low, high = {Unit.SHARE: (0, 1), Unit.POINTS: (-1, 1)}.get(METRICS[row["metric"]].unit, (-math.inf, math.inf))
        assert low <= row["value"] <= high, row


def test_a_mean_square_is_at_least_the_square_of_the_mean_and_a_histogram_holds_every_value(floor):
    for row in rows(floor, HOURLY):
        if row["mean_square"] is not None:
            assert row["mean_square"] >= row["value"] ** 2 - 1e-6, row
        if row["histogram"] is not None:
            assert sum(row["histogram"].values()) == row["n"], row


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


def test_in_whatever_order_events_arrive_the_figures_are_those_of_all_at_once(database, events):
    chance = random.Random(1)
    arriving = [*events, *chance.sample(events, 60)]
    chance.shuffle(arriving)

    for start in range(0, len(arriving), len(arriving) // 4):
        arrive(database, arriving[start : start + len(arriving) // 4])
        roll_up_metrics.run()

    incremental = rows(database, HOURLY)
    rows(database, "DELETE FROM metric_rollups")
    roll_up_metrics.run(after(days=-1), after(days=9))
    assert incremental == rows(database, HOURLY)


def test_hours_without_facts_have_no_rows(database):
    rows(database, "INSERT INTO quality_verdicts (hour, state) VALUES (%(hour)s, 'trusted')", hour=after(0))

    counts = roll_up_metrics.run(after(days=-1), after(days=1))

    assert (counts["hours"], counts["rows"]) == (1, 0)


@pytest.mark.parametrize("metric", [*METRICS.values(), *COMPOUNDS.values()], ids=lambda metric: metric.name)
def test_the_guide_tells_of_every_metric_as_the_catalogue_does(metric):
    guide = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    names = ", ".join(f"`{dimension}`" for dimension in metric.dimensions) or "nothing"

    assert (
        f"| `{metric.name}` | {metric.unit}, {metric.better} | {metric.owner} | {names} | {metric.definition} |"
        in guide
    )
