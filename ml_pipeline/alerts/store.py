"""The statements of alert rules: what they read, and what is kept of alerts. Nothing here commits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg2

from ml_pipeline.alerts.kinds import absence, budget, change, drift, quality, threshold
from ml_pipeline.alerts.lifecycle import Key, News, Standing, Step
from ml_pipeline.alerts.rule import MetricRule, last_hours
from ml_pipeline.alerts.rulebook import AnyRule, Rulebook
from ml_pipeline.alerts.sample import Hour, Sample, farthest, merge
from ml_pipeline.alerts.verdict import Verdict
from ml_pipeline.database.engine import Transaction
from ml_pipeline.database.named_sql import queries
from ml_pipeline.errors import RuleError
from ml_pipeline.vocabulary.interval import Interval

Row = Mapping[str, Any]

KEY = ("task", "mode", "version", "slice")

KEPT = timedelta(days=90)
"""How long it is kept how a rule stands with a subject that it does not find any more."""


@dataclass(frozen=True, slots=True)
class Series:
    """The hours of one subject, and its key in metric_rollups."""

    key: Mapping[str, str]
    hours: tuple[Hour, ...]

    def evidence(self, window: Interval, sample: Sample) -> dict[str, Any]:
        """Return where the figure comes from: its rows, and the hours that moved it most."""
        moved_most = farthest(self.hours, sample.value)
        return {**self.key, "from": window.start, "to": window.end, "hours": sample.hours, "worst_hours": moved_most}


def lock(tx: Transaction) -> None:
    """Wait until no other transaction judges alerts."""
    queries("alerts").lock(tx)


def judge(tx: Transaction, rule: AnyRule, now: datetime) -> list[Verdict]:
    """Read what the rule looks at, and return its verdict on each subject.

    Raises:
        RuleError: if Postgres will not answer; the transaction goes on as if it had not been asked.
    """
    queries("alerts").savepoint(tx)
    try:
        return list(_verdicts(tx, rule, now))
    except psycopg2.Error as error:
        queries("alerts").back_to_savepoint(tx)
        reason = " ".join(str(error).split())
        raise RuleError(f"alert rule {rule.name} cannot be judged: {reason}; see docs/alerts.md") from error


def _verdicts(tx: Transaction, rule: AnyRule, now: datetime) -> Iterator[Verdict]:
    window = rule.window(now)
    match rule:
        case threshold.Threshold():
            yield from (rule.judge(reading) for reading in _thresholds(tx, rule, window))
        case change.Change():
            yield from (rule.judge(reading) for reading in _changes(tx, rule, window, now))
        case budget.Budget():
            yield from (rule.judge(reading) for reading in _budgets(tx, rule, window))
        case absence.Absence():
            yield from (rule.judge(reading) for reading in _absences(tx, rule, window))
        case quality.Quality():
            yield from (rule.judge(reading) for reading in _measures(tx, rule, window, now))
        case drift.Drift():
            yield from (rule.judge(reading) for reading in _checks(tx, rule, window, now))


def _thresholds(tx: Transaction, rule: MetricRule, window: Interval) -> Iterator[threshold.Reading]:
    for subject, found in _series(tx, rule, window).items():
        sample = merge(found.hours, is_share=rule.is_share)
        yield threshold.Reading(subject, window, sample, found.evidence(window, sample))


def _changes(tx: Transaction, rule: change.Change, window: Interval, now: datetime) -> Iterator[change.Reading]:
    if rule.is_matured:
        yield from _matured_changes(tx, rule, window, now)
        return
    usual = _series(tx, rule, window, weeks_back=(1, rule.weeks))
    for subject, found in _series(tx, rule, window).items():
        if subject in usual:
            sample = merge(found.hours, is_share=rule.is_share)
            before = merge(usual[subject].hours, is_share=rule.is_share)
            yield change.Reading(subject, window, sample, before, found.evidence(window, sample))


def _matured_changes(tx: Transaction, rule: change.Change, window: Interval, now: datetime) -> Iterator[change.Reading]:
    rates = {
        (row["slice"], row["is_recent"]): Sample(row["value"], row["n"], row["hours"], True, row["variance"])
        for row in queries("alerts").matured_rates(tx, slice=_pattern(rule.slice), now=now)
    }
    for (name, is_recent), sample in rates.items():
        if is_recent and (name, False) in rates:
            evidence = {"table": "matured_rates", "slice": name, "as_of": window.end}
            yield change.Reading(name, window, sample, rates[name, False], evidence)


def _budgets(tx: Transaction, rule: budget.Budget, window: Interval) -> Iterator[budget.Reading]:
    for subject, found in _series(tx, rule, window).items():
        spans = {}
        for length in rule.spans:
            hours = [hour for hour in found.hours if hour.at in last_hours(window.end, length)]
            if hours:
                spans[length] = merge(hours, is_share=rule.is_share)
        yield budget.Reading(subject, window, spans, found.evidence(window, spans[rule.window_hours]))


def _series(
    tx: Transaction, rule: MetricRule, window: Interval, weeks_back: tuple[int, int] = (0, 0)
) -> dict[str, Series]:
    rows = queries("alerts").hours(
        tx,
        metric=rule.metric,
        task=_pattern(rule.task),
        mode=_pattern(rule.mode),
        version=_pattern(rule.version),
        slice=_pattern(rule.slice),
        over=rule.over,
        start=window.start,
        end=window.end,
        first_week=weeks_back[0],
        last_week=weeks_back[1],
    )
    return {" ".join(filter(None, (row[name] for name in KEY))): _one_series(rule, row) for row in rows}


def _one_series(rule: MetricRule, row: Row) -> Series:
    squares = row["squares"] if rule.over is None else [None] * len(row["hours"])
    hours = map(Hour, row["hours"], row["values"], row["counts"], squares)
    return Series({"metric": rule.metric, **{name: row[name] for name in KEY}}, tuple(hours))


def _pattern(selector: str) -> str:
    r"""Return the LIKE pattern of a selector.

    >>> _pattern("label_source=*")
    'label\\_source=%'
    """
    escaped = selector.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%")


def _absences(tx: Transaction, rule: absence.Absence, window: Interval) -> Iterator[absence.Reading]:
    statement = getattr(queries("alerts"), f"absent_{rule.signal}")
    for row in statement(tx, start=window.start, end=window.end):
        evidence = {"signal": rule.signal, "from": window.start, "to": window.end}
        yield absence.Reading(row["subject"], window, row["count"], float(row["expected"]), evidence)


def _measures(tx: Transaction, rule: quality.Quality, window: Interval, now: datetime) -> Iterator[quality.Reading]:
    statement = getattr(queries("alerts"), f"measure_{rule.measure}")
    asked = {"start": window.start, "end": window.end} if rule.is_share else {"now": now}
    for row in statement(tx, **asked):
        evidence = {"measure": rule.measure, "from": window.start, "to": window.end, **row["evidence"]}
        yield quality.Reading(row["subject"], window, row["value"], row["n"], evidence)


def _checks(tx: Transaction, rule: drift.Drift, window: Interval, now: datetime) -> Iterator[drift.Reading]:
    rows = queries("alerts").newest_checks(
        tx, kinds=list(rule.check_kinds), subject=_pattern(rule.subject), start=window.start, now=now
    )
    for row in rows:
        evidence = {name: row[name] for name in ("kind", "subject", "window_start", "window_end")}
        subject = f"{row['kind']} {row['subject']}"
        yield drift.Reading(subject, window, row["severity"], row["has_drifted"], row["n"], evidence)


def standings(tx: Transaction) -> dict[Key, Standing]:
    """Return how every rule stands with every subject it judged or has an open alert on."""
    return {
        (row["rule"], row["subject"]): Standing(
            row["judged_until"], row["streak"], row["streak_before"], is_open=row["is_open"]
        )
        for row in queries("alerts").standings(tx)
    }


def record(tx: Transaction, news: Sequence[News], now: datetime) -> None:
    """Keep how the rules stand; open, renew and resolve alerts."""
    named = queries("alerts")
    named.keep_standings(tx, standings=_json([_standing_row(each) for each in news]))
    named.open_alerts(tx, [_alert_row(each, now) for each in news if each.step is Step.OPEN])
    named.renew_alerts(tx, [_alert_row(each, now) for each in news if each.step is Step.SEEN])
    resolved = [(each.rule.name, each.verdict.subject) for each in news if each.step is Step.RESOLVE]
    _resolve(tx, dict.fromkeys(resolved, "quiet again"), now)


def resolve_orphans(tx: Transaction, rulebook: Rulebook, now: datetime) -> int:
    """Resolve the open alerts that no verdict will; return how many."""
    last_seen = {(row["rule"], row["subject"]): row["last_seen_at"] for row in queries("alerts").open_ones(tx)}
    orphans = rulebook.orphans(last_seen, now)
    _resolve(tx, orphans, now)
    queries("alerts").forget_standings(tx, before=now - KEPT)
    return len(orphans)


def _resolve(tx: Transaction, reasons: Mapping[Key, str], now: datetime) -> None:
    queries("alerts").resolve_alerts(
        tx,
        [
            {"rule": rule, "subject": subject, "resolution": reason, "now": now}
            for (rule, subject), reason in reasons.items()
        ],
    )


def _standing_row(news: News) -> Row:
    return {
        "rule": news.rule.name,
        "subject": news.verdict.subject,
        "judged_until": news.standing.judged_until,
        "streak": news.standing.streak,
        "streak_before": news.standing.streak_before,
    }


def _alert_row(news: News, now: datetime) -> Row:
    return {
        "rule": news.rule.name,
        "subject": news.verdict.subject,
        "severity": news.rule.severity,
        "owner": news.rule.owner,
        "runbook": news.rule.runbook,
        "headline": news.verdict.headline,
        "value": news.verdict.value,
        "bound": news.verdict.bound,
        "n": news.verdict.n,
        "evidence": _json(news.verdict.evidence),
        "now": now,
    }


def _json(value: Any) -> str:
    """Return ``value`` as JSON; a bound that is infinite becomes null."""
    return msgspec.json.encode(value).decode()


def list_alerts(tx: Transaction, *, with_resolved: bool) -> list[Row]:
    """Return the open alerts, the worst first, and with ``with_resolved`` the newest of the others."""
    return [dict(row) for row in queries("alerts").listed(tx, with_resolved=with_resolved)]


def find_open(tx: Transaction, prefix: str) -> list[str]:
    """Return up to two open alerts whose id begins so."""
    return [row["alert"] for row in queries("alerts").find_open(tx, prefix=prefix)]


def acknowledge(tx: Transaction, alert: str, *, actor: str, because: str) -> Row:
    """Note who sees to an open alert: status (acknowledged, unchanged, refused), acknowledged_by, reason."""
    answer: Row = queries("alerts").acknowledge(tx, alert=alert, actor=actor, because=because)
    return answer
