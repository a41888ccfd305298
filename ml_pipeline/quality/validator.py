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
WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Judged:
    """A suite and the statement that reads the rows to judge."""

    suite: Suite
    rows: str


class Validator:
    """Great Expectations on the database at ``dsn``, without files, projects, progress bars or reports home."""

    def __init__(self, dsn: str) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        # Its import alone says 300 lines of nothing in a task's log.
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx
        from sqlalchemy.engine import make_url

        # A dollar sign would be read as the name of a variable.
        url = make_url(dsn).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        self._context: Any = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = {"globally": False}
        self._source: Any = self._context.data_sources.add_postgres(
            "facts", connection_string=url.replace("$", "%24"), create_temp_table=True
        )

    def close(self) -> None:
        """Give the connection back, and with it the temporary tables."""
        self._source.get_execution_engine().close()

    def judge(self, judged: Judged) -> Iterator[CheckResult]:
        """Yield what each check finds; the rows are only read where the table has its columns."""
        suite = judged.suite
        of_schema = tuple(check for check in suite.checks if check.is_of_schema)
        of_rows = tuple(check for check in suite.checks if not check.is_of_schema)
        table = self._source.add_table_asset(f"{suite.table}.schema", table_name=suite.table)
        found = list(self._run(suite, table.add_batch_definition_whole_table(WHOLE), of_schema))
        yield from found
        if all(result.has_passed for result in found):
            rows = self._source.add_query_asset(suite.table, judged.rows)
            yield from self._run(suite, rows.add_batch_definition_whole_table(WHOLE), of_rows)

    def _run(self, suite: Suite, batch: Any, checks: tuple[Check, ...]) -> Iterator[CheckResult]:
        import great_expectations as gx

        name = f"{suite.table}.{'schema' if checks[0].is_of_schema else 'rows'}"
        expectations = gx.ExpectationSuite(name, expectations=[_expectation(check) for check in checks])
        definition = gx.ValidationDefinition(name=name, data=batch, suite=self._context.suites.add(expectations))
        done = self._context.validation_definitions.add(definition).run(result_format=RESULT_FORMAT)
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
            observed=_observed(result),
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

    arguments = dict(check.arguments)
    if check.query is not None:
        arguments["unexpected_rows_query"] = getattr(queries("quality"), check.query).sql
    kind = getattr(expectations, check.expectation)
    return kind(**arguments, severity=str(check.severity), meta={"name": check.name})


def _exceptions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what was raised; Great Expectations tells it flat, or per metric."""
    return [each for each in (info, *info.values()) if isinstance(each, Mapping) and each.get("raised_exception")]


def _observed(result: Any) -> Mapping[str, Any]:
    """Keep counts and aggregates, never values of rows; of a check that could not run, why."""
    errors = [each["exception_message"] for each in _exceptions(result.exception_info)]
    if errors:
        return {"error": errors[0]}
    kept = ("element_count", "unexpected_count", "observed_value", "details")
    return {key: result.result[key] for key in kept if key in result.result}
