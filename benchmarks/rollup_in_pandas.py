"""The peer of the rollup: one day's facts read into pandas, and the same main figures per hour and slice from them.

What a careful user of pandas writes: only the columns needed, no loop over rows, one groupby a dimension. Left out, to
its favour: funnel metrics, refunds, conflicts between labels, what intervals need, days and weeks.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import reduce

import numpy as np
import pandas as pd
from sqlalchemy import Connection, create_engine, text

from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, Task

SERIES = ["hour", "task", "mode", "version"]
AUDIENCE = ["source", "language", "program", "platform"]
DAY = timedelta(days=1)
RANKS = {"human": 1, "crm": 2, "agent": 3, "derived": 4}

PREDICTIONS = """SELECT conversation_id, turn, task, mode, version, at, probabilities, labels, latency_ms,
context ->> 'phase' AS phase FROM predictions WHERE at >= :low AND at < :high"""
TURNS = """SELECT conversation_id, turn, at, role FROM turns
WHERE at >= :low - interval '1 day' AND at < :high + interval '1 day'"""
OF_THE_DAY = """SELECT {columns} FROM {table} WHERE conversation_id IN (
SELECT conversation_id FROM conversations WHERE started_at >= :low - interval '1 day' AND started_at < :high)"""
FAILURES = """SELECT event_type, timestamp AS at, source, data ->> 'is_fallback' AS is_fallback,
data ->> 'error' AS error, data ->> 'count' AS count FROM ml_tracking_events
WHERE id >= uuid_floor(:low) AND id < uuid_floor(:high) AND event_type IN ('prediction', 'error')"""


def roll_up_day(dsn: str, low: datetime) -> dict[str, pd.DataFrame]:
    """Return the figures of the day that begins at ``low``, by metric or group of metrics, one row a slice."""
    engine = create_engine(
        dsn.replace("postgresql://", "postgresql+psycopg2://"), connect_args={"options": "-c timezone=UTC"}
    )
    with engine.connect() as connection:
        facts = _read(connection, low)
    engine.dispose()
    described = _described(facts)
    answers = _answers(facts, described)
    scored = _scored(answers, facts)
    return {
        **_truth(scored),
        **_answered(answers),
        "turns_per_hour": _of_day(facts["turns"], low).groupby("hour").size().to_frame("n"),
        **_sales(facts, described, low),
        "error_rate": _errors(facts["failures"]),
    }


def _read(connection: Connection, low: datetime) -> dict[str, pd.DataFrame]:
    bounds = {"low": low, "high": low + DAY}
    queries = {
        "predictions": PREDICTIONS,
        "turns": TURNS,
        "failures": FAILURES,
        "labels": OF_THE_DAY.format(
            columns="conversation_id, turn, task, labels, source, learnt_at, value, currency", table="labels"
        ),
        "outcomes": OF_THE_DAY.format(
            columns="conversation_id, is_sold, value, currency, satisfaction, learnt_at", table="outcomes"
        ),
        "conversations": OF_THE_DAY.format(
            columns="conversation_id, started_at AS at, source, language, program, platform", table="conversations"
        ),
        "assignments": OF_THE_DAY.format(columns="conversation_id, experiment, arm", table="assignments"),
    }
    facts = {name: pd.read_sql(text(query), connection, params=bounds) for name, query in queries.items()}
    for name in ("predictions", "turns", "failures", "conversations"):
        facts[name]["hour"] = facts[name]["at"].dt.floor("h")
    return facts


def _of_day(rows: pd.DataFrame, low: datetime) -> pd.DataFrame:
    return rows[(rows["at"] >= low) & (rows["at"] < low + DAY)]


def _described(facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    arms = facts["assignments"].assign(arm=lambda a: a["experiment"] + "/" + a["arm"])
    return facts["conversations"][["conversation_id", *AUDIENCE]].merge(
        arms[["conversation_id", "arm"]], how="left", on="conversation_id"
    )


def _answers(facts: dict[str, pd.DataFrame], described: pd.DataFrame) -> pd.DataFrame:
    answers = facts["predictions"].merge(described, how="left", on="conversation_id").reset_index(names="answer")
    top = answers["probabilities"].map(lambda said: max(said.values(), default=np.nan))
    is_binary = answers["task"].isin([task.name for task in DEFAULT_TASKS if len(task.labels) == 1])
    return answers.assign(confidence=np.where(is_binary, np.maximum(top, 1 - top), top))


def _scored(answers: pd.DataFrame, facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per answer and label whose truth is known."""
    return pd.concat([_scored_task(answers[answers["task"] == task.name], task, facts) for task in DEFAULT_TASKS])


def _scored_task(answers: pd.DataFrame, task: Task, facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    truth = _sale_truths(facts) if task.scope == "conversation" else _turn_truths(task, facts)
    keys = ["conversation_id"] if task.scope == "conversation" else ["conversation_id", "turn"]
    known = answers.merge(truth, on=keys, suffixes=("", "_true"))
    labels = list(task.labels)
    probability = (
        pd.DataFrame.from_records(known["probabilities"].tolist()).reindex(columns=labels).fillna(0).to_numpy(float)
    )
    predicted = np.array([[label in said for label in labels] for said in known["labels"]], dtype=bool).reshape(
        -1, len(labels)
    )
    true = known[[f"is_{label}" for label in labels]].to_numpy(bool)
    kept = known[["answer", *SERIES, "phase", *AUDIENCE, "arm", "label_source"]]
    rows = kept.loc[kept.index.repeat(len(labels))]
    return rows.assign(
        label=np.tile(labels, len(known)), p=probability.ravel(), is_predicted=predicted.ravel(), is_true=true.ravel()
    )


def _sale_truths(facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    told = facts["outcomes"].assign(source="agent")
    crm = facts["labels"].query("task == 'conversion' and turn.isna()")
    crm = crm.assign(is_sold=crm["labels"].map(len) > 0)
    columns = ["conversation_id", "is_sold", "source", "learnt_at", "value", "currency"]
    every = pd.concat([told[columns], crm[columns]])
    every["rank"] = every["source"].map(RANKS)
    held = every.sort_values(["rank", "learnt_at"], ascending=[True, False]).drop_duplicates("conversation_id")
    return held.rename(columns={"source": "label_source"})


def _turn_truths(task: Task, facts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return what is true of each turn: its own labels, or those of the next customer turns within the horizon."""
    labels = facts["labels"].query("task == @task.name and turn.notna()")
    labels = labels.assign(rank=labels["source"].map(RANKS)).sort_values(["rank", "learnt_at"], ascending=[True, False])
    labels = labels.drop_duplicates(["conversation_id", "turn"])
    names = [f"is_{label}" for label in task.labels]
    held = np.array([[label in said for label in task.labels] for said in labels["labels"]], dtype=bool)
    labels[names] = held.reshape(-1, len(names))
    if not task.horizon:
        return labels.rename(columns={"source": "label_source"})[["conversation_id", "turn", "label_source", *names]]
    customer = facts["turns"].query("role == 'user'").merge(labels, how="left", on=["conversation_id", "turn"])
    customer = customer.sort_values(["conversation_id", "turn"])
    calls = customer.groupby("conversation_id", sort=False)
    ahead = [calls[["rank", *names]].shift(-step) for step in range(1, task.horizon + 1)]
    follows = [calls["turn"].shift(-step).notna() for step in range(1, task.horizon + 1)]
    has_ended = customer["conversation_id"].isin(facts["outcomes"]["conversation_id"])
    labelled = reduce(
        np.logical_and, [~there | turn["rank"].notna() for there, turn in zip(follows, ahead, strict=True)]
    )
    is_known = follows[0] & labelled & (follows[-1] | has_ended)
    weakest = reduce(np.fmax, [turn["rank"] for turn in ahead])
    truths = customer[["conversation_id", "turn"]].assign(label_source=weakest.map({v: k for k, v in RANKS.items()}))
    for name in names:
        truths[name] = reduce(np.logical_or, [turn[name].eq(True) for turn in ahead])
    return truths[is_known]


def _slices(
    frame: pd.DataFrame, keys: list[str], dimensions: list[str]
) -> Iterator[tuple[str, pd.core.groupby.DataFrameGroupBy]]:
    yield "", frame.groupby(keys, observed=True, sort=False)
    for dimension in dimensions:
        yield dimension, frame.groupby([*keys, dimension], observed=True, sort=False)


def _each(
    frame: pd.DataFrame, keys: list[str], dimensions: list[str], make: Callable[..., pd.DataFrame]
) -> pd.DataFrame:
    """Return what ``make`` says of every group, of all rows and by each dimension."""
    found = []
    for dimension, groups in _slices(frame, keys, dimensions):
        made = make(groups).reset_index()
        made["slice"] = dimension + "=" + made[dimension].astype(str) if dimension else ""
        found.append(made)
    return pd.concat(found)


def _truth(scored: pd.DataFrame) -> dict[str, pd.DataFrame]:
    scored = scored.assign(
        hits=scored["is_predicted"] & scored["is_true"],
        agreed=scored["is_predicted"] == scored["is_true"],
        brier=(scored["p"] - scored["is_true"]) ** 2,
        log_loss=-np.log(np.maximum(np.where(scored["is_true"], scored["p"], 1 - scored["p"]), 1e-9)),
    )
    by_label = _each(
        scored,
        SERIES,
        ["label", "label_source", *AUDIENCE, "phase", "arm"],
        lambda groups: groups.agg(
            n=("p", "size"),
            predicted=("is_predicted", "sum"),
            true=("is_true", "sum"),
            hits=("hits", "sum"),
            agreed=("agreed", "sum"),
            brier=("brier", "mean"),
            log_loss=("log_loss", "mean"),
        ),
    )
    by_label = by_label.assign(
        precision=by_label["hits"] / by_label["predicted"],
        recall=by_label["hits"] / by_label["true"],
        f1=2 * by_label["hits"] / (by_label["predicted"] + by_label["true"]),
    )
    dimensions = ["phase", *AUDIENCE, "arm", "label_source"]
    answers = scored.groupby("answer", sort=False).agg(
        is_right=("agreed", "all"), **{name: (name, "first") for name in (*SERIES, *dimensions)}
    )
    exact = _each(answers, SERIES, dimensions, lambda groups: groups["is_right"].agg(["mean", "size"]))
    return {
        "truth": by_label,
        "accuracy": exact,
        "calibration_gap": scored.assign(
            tenth=np.minimum(np.floor(scored["p"] * 10), 9), gap=scored["p"] - scored["is_true"]
        )
        .groupby([*SERIES, "tenth"], sort=False)["gap"]
        .agg(["mean", "size"]),
        "label_source_share": scored.groupby([*SERIES, "label_source"], sort=False).size().to_frame("n"),
    }


def _answered(answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    timed = answers[answers["latency_ms"].notna()]
    timed = timed.assign(bucket=np.floor(np.log(np.maximum(timed["latency_ms"], 0.001)) / np.log(1.1)).astype(int))
    dimensions = ["platform", "phase"]
    return {
        "answers": _each(
            answers,
            SERIES,
            [*AUDIENCE, "phase", "arm"],
            lambda groups: groups.agg(n=("answer", "size"), confidence=("confidence", "mean")),
        ),
        "latency": _each(timed, SERIES, dimensions, lambda groups: groups["latency_ms"].agg(["mean", "size"])),
        "percentiles": _each(
            timed, SERIES, dimensions, lambda groups: groups["latency_ms"].quantile([0.5, 0.95, 0.99]).unstack()
        ),
        "histogram": _each(timed, [*SERIES, "bucket"], dimensions, lambda groups: groups.size().to_frame("n")),
    }


def _sales(facts: dict[str, pd.DataFrame], described: pd.DataFrame, low: datetime) -> dict[str, pd.DataFrame]:
    started = _of_day(facts["conversations"], low)[["conversation_id", "hour"]]
    rated = (
        facts["outcomes"]
        .dropna(subset="satisfaction")
        .sort_values("learnt_at")
        .drop_duplicates("conversation_id", keep="last")
    )
    calls = (
        started.merge(described, on="conversation_id")
        .merge(_sale_truths(facts), how="left", on="conversation_id")
        .merge(rated[["conversation_id", "satisfaction"]], how="left", on="conversation_id")
    )
    calls["value"] = calls["value"].astype(float)
    priced = calls.dropna(subset="value")
    return {
        "sales": _each(
            calls,
            ["hour"],
            [*AUDIENCE, "arm", "label_source"],
            lambda groups: groups.agg(
                n=("conversation_id", "size"),
                known=("is_sold", "count"),
                sold=("is_sold", "sum"),
                satisfaction=("satisfaction", "mean"),
            ),
        ),
        "revenue": _each(
            priced, ["hour", "currency"], [*AUDIENCE, "arm"], lambda groups: groups["value"].agg(["sum", "size"])
        ),
    }


def _errors(events: pd.DataFrame) -> pd.DataFrame:
    counted = pd.to_numeric(events["count"], errors="coerce").fillna(1).clip(lower=1)
    is_answer = events["event_type"] == "prediction"
    attempts = np.where(is_answer, 1, counted)
    has_failed = ~is_answer | (events["is_fallback"] == "true") | events["error"].notna()
    tried = events.assign(attempts=attempts, failures=np.where(has_failed, attempts, 0))
    return _each(tried, ["hour"], ["source"], lambda groups: groups[["attempts", "failures"]].sum())
