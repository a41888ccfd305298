"""Runs suites with Great Expectations, the one place that imports it: an import of 5 to 18 seconds."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline.database.named_sql import queries
from ml_pipeline.quality.check import Check, CheckResult, Suite

RESULT_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,  # no value of a row leaves Postgres
    "return_unexpected_index_query": True,
    "unexpected_index_column_names": ["hour", "event_id", "conversation_id"],
}
SESSION = "-c timezone=UTC -c work_mem=64MB"
"""A day's predictions are then sorted in memory, not on disk."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A suite and the statement that reads the rows to judge."""

    suite: Suite
    rows: str


class Validator:
    """Great Expectations on the database at ``dsn``, without files, projects, progress bars or reports home.

    ``validations``: its own results of what was judged, for Data Docs.
    """

    def __init__(self, dsn: str) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        # Its import alone says 300 lines of nothing in a task's log.
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx
        from sqlalchemy.engine import make_url

        # A dollar sign would be read as the name of a variable.
        url = make_url(dsn).set(drivername="postgresql+psycopg2").update_query_dict({"options": SESSION})
        self._context: Any = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        self._source: Any = self._context.data_sources.add_postgres(
            "facts",
            connection_string=url.render_as_string(hide_password=False).replace("$", "%24"),
            create_temp_table=True,
        )
        self.validations: list[Any] = []

    def close(self) -> None:
        """Give the connection back, and with it the temporary tables."""
        self._source.get_execution_engine().close()

    def judge(self, judged: Judged) -> Iterator[CheckResult]:
        """Yield what each check finds; the rows are only read where the table has its columns."""
        suite = judged.suite
        found = []
        if of_schema := tuple(check for check in suite.checks if check.is_of_schema):
            # Not a table asset: Great Expectations would copy the whole table into a temporary one.
            table = self._source.add_query_asset(f"{suite.table}.schema", f"SELECT * FROM {suite.table} WHERE false")  # noqa: S608
            found = list(self._run(suite, table, of_schema))
            yield from found
        if all(result.has_passed for result in found):
            rows = self._source.add_query_asset(f"{suite.table}.rows", judged.rows)
            yield from self._run(suite, rows, tuple(check for check in suite.checks if not check.is_of_schema))

    def _run(self, suite: Suite, asset: Any, checks: tuple[Check, ...]) -> Iterator[CheckResult]:
        import great_expectations as gx

        expectations = gx.ExpectationSuite(asset.name, expectations=[_expectation(check) for check in checks])
        # Not a ValidationDefinition: it writes the whole configuration into a store four times a suite.
        batch = asset.add_batch_definition_whole_table(asset.name).get_batch()
        done = batch.validate(expectations, result_format=RESULT_FORMAT)
        self.validations.append(done)
        by_name = {result.expectation_config.meta["name"]: result for result in done.results}
        for check in checks:
            yield self._read(suite, check, by_name[check.name])

    def _read(self, suite: Suite, check: Check, result: Any) -> CheckResult:
        query = result.result.get("unexpected_index_query")
        failing = self._gather(suite, query) if query and not result.success else None
        return CheckResult(
            suite.table,
            check.name,
            check.severity,
            has_passed=bool(result.success),
            observed=_observed(result, check.nulls_mean),
            failing_events=tuple(failing.events) if failing else (),
            hours=frozenset(failing.hours) if failing else None,
        )

    def _gather(self, suite: Suite, query: str) -> Any:
        statement = queries("quality").failing_rows.sql.format(
            failing=query.rstrip().rstrip(";"), is_truth=str(suite.is_truth).lower()
        )
        engine = self._source.get_execution_engine()
        with engine.get_connection() as connection:
            return connection.exec_driver_sql(statement).one()


def _expectation(check: Check) -> Any:
    from great_expectations import expectations

    kind = getattr(expectations, check.expectation)
    return kind(**check.arguments, severity=str(check.severity), meta={"name": check.name})


def _exceptions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what was raised; Great Expectations tells it flat, or per metric."""
    return [each for each in (info, *info.values()) if isinstance(each, Mapping) and each.get("raised_exception")]


def _observed(result: Any, nulls_mean: str) -> Mapping[str, Any]:
    """Keep counts and aggregates, never values of rows; of a check that could not run, why."""
    errors = [each["exception_message"] for each in _exceptions(result.exception_info)]
    if errors:
        return {"error": errors[0]}
    kept = ("element_count", "unexpected_count", "observed_value", "details")
    observed = {key: result.result[key] for key in kept if key in result.result}
    return observed | ({nulls_mean: result.result["missing_count"]} if nulls_mean else {})
