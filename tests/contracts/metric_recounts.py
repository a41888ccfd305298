"""Every metric of the hours counted once more: from the rows of facts, in plain Python, one by one.

What is true of an answer and what is known of a sale are the schema's own functions and tested by themselves.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import mean, quantiles
from typing import Any

from ml_pipeline.metrics.truth import task_definitions
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS
from tests.integration.events import after, rows

Row = dict[str, Any]
Key = tuple[datetime, str, str, str, str]
Values = dict[Key, list[float]]
Found = dict[Key, tuple[float, int]]

FACTS = (
    "conversations",
    "turns",
    "predictions",
    "outcomes",
    "assignments",
    "acts",
    "current_labels",
    "current_outcomes",
    "label_conflicts",
)


@dataclass(frozen=True)
class Facts:
    tables: dict[str, list[Row]]
    truths: list[Row]
    sales: list[Row]
    log: list[Row]

    def of(self, table: str, conversation_id: str) -> list[Row]:
        return [row for row in self.tables[table] if row["conversation_id"] == conversation_id]


def read_facts(database: Any) -> Facts:
    bounds = {"low": after(days=-1), "high": after(days=9)}
    return Facts(
        {table: rows(database, f"TABLE {table}") for table in FACTS},
        rows(database, "SELECT * FROM labelled_predictions(%(low)s, %(high)s, %(tasks)s)", **bounds,
             tasks=task_definitions(DEFAULT_TASKS)),
        rows(database, "SELECT * FROM sales_as_of('infinity', %(low)s, %(high)s)", **bounds),
        rows(database, "SELECT * FROM ml_tracking_events"),
    )  # fmt: skip


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def slices_of(facts: Facts, conversation_id: str) -> list[str]:
    """Return the slices of a conversation, '' among them."""
    (conversation,) = facts.of("conversations", conversation_id)
    named = [
        f"{name}={conversation[name]}" for name in ("source", "language", "program", "platform") if conversation[name]
    ]
    drawn = [each for each in facts.of("assignments", conversation_id) if each["reason"] == "drawn"]
    return ["", *named, *(f"arm={each['experiment']}/{each['arm']}" for each in drawn)]


def answer_key(row: Row) -> tuple[str, str, str]:
    return row["task"], row["mode"], row["version"]


def phase_slices(context: Row) -> list[str]:
    return [f"phase={context['phase']}"] if context.get("phase") else []


def means(values: Values) -> Found:
    return {key: (mean(found), len(found)) for key, found in values.items()}


def shares(hits: Iterable[tuple[Key, bool]]) -> Found:
    values = defaultdict[Key, list[float]](list)
    for key, hit in hits:
        values[key].append(float(hit))
    return means(values)


def judged(facts: Facts) -> Iterator[tuple[Row, list[Key]]]:
    """Yield every (answer, label) whose truth is known, with the keys it counts in, those of its label last but one."""
    contexts = {(p["conversation_id"], p["turn"], *answer_key(p)): p["context"] for p in facts.tables["predictions"]}
    for row in facts.truths:
        context = contexts[row["conversation_id"], row["turn"], *answer_key(row)]
        parts = [*slices_of(facts, row["conversation_id"]), *phase_slices(context)]
        parts += [f"label={row['label']}", f"label_source={row['label_source']}"]
        yield row, [(hour_of(row["at"]), *answer_key(row), part) for part in parts]


def of_judged(facts: Facts, measure: Callable[[Row], float | None]) -> Found:
    values = defaultdict[Key, list[float]](list)
    for row, keys in judged(facts):
        measured = measure(row)
        if measured is not None:
            for key in keys:
                values[key].append(measured)
    return means(values)


def accuracy(facts: Facts) -> Found:
    whole = defaultdict[tuple[Any, ...], list[tuple[Row, list[Key]]]](list)
    for row, keys in judged(facts):
        whole[row["conversation_id"], row["turn"], *answer_key(row)].append((row, keys))
    is_label = [(key, row["is_predicted"] == row["is_true"]) for row, keys in judged(facts) for key in keys
                if key[4].startswith("label=")]  # fmt: skip
    exact = [(key, all(row["is_predicted"] == row["is_true"] for row, _ in answer)) for answer in whole.values()
             for key in answer[0][1] if not key[4].startswith("label=")]  # fmt: skip
    return shares([*is_label, *exact])


def f1(facts: Facts) -> Found:
    tallies = defaultdict[Key, list[int]](lambda: [0, 0])
    for row, keys in judged(facts):
        for key in keys:
            tallies[key][0] += 2 * (row["is_predicted"] and row["is_true"])
            tallies[key][1] += row["is_predicted"] + row["is_true"]
    return {key: (hits / n, n) for key, (hits, n) in tallies.items() if n}


def loss(row: Row) -> float:
    return -math.log(max(row["probability"] if row["is_true"] else 1 - row["probability"], 1e-9))


def calibration_gap(facts: Facts) -> Found:
    values = defaultdict[Key, list[float]](list)
    for row, keys in judged(facts):
        tenth = min(int(row["probability"] * 10), 9)
        values[(*keys[0][:4], f"probability=0.{tenth}")].append(row["probability"] - row["is_true"])
    return means(values)


def label_source_share(facts: Facts) -> Found:
    sources = defaultdict[tuple[Any, ...], list[str]](list)
    for row, keys in judged(facts):
        sources[keys[0][:4]].append(row["label_source"])
    return {
        (*key, f"label_source={source}"): (told.count(source) / len(told), len(told))
        for key, told in sources.items()
        for source in set(told)
    }


def of_answers(facts: Facts, measure: Callable[[Row], float | None]) -> Values:
    values = defaultdict[Key, list[float]](list)
    for row in facts.tables["predictions"]:
        measured = measure(row)
        for part in [*slices_of(facts, row["conversation_id"]), *phase_slices(row["context"])]:
            if measured is not None:
                values[hour_of(row["at"]), *answer_key(row), part].append(measured)
    return values


def confidence(row: Row) -> float:
    top = float(max(row["probabilities"].values()))
    return max(top, 1 - top) if len(row["probabilities"]) == 1 else top


def percentile(facts: Facts, rank: int) -> Found:
    values = of_answers(facts, lambda row: row["latency_ms"])
    return {
        key: (quantiles(found, n=100, method="inclusive")[rank - 1] if len(found) > 1 else found[0], len(found))
        for key, found in values.items()
    }


def counts(values: Values) -> Found:
    return {key: (len(found), 1) for key, found in values.items()}


def whole(hour: datetime, part: str) -> Key:
    return hour, "", "", "", part


def turns_per_hour(facts: Facts) -> Found:
    values = defaultdict[Key, list[float]](list)
    for row in facts.tables["turns"]:
        for part in slices_of(facts, row["conversation_id"]):
            values[whole(hour_of(row["at"]), part)].append(1)
    return counts(values)


def error_rate(facts: Facts) -> Found:
    tried = [row for row in facts.log if row["event_type"] in ("prediction", "error")]
    return shares(
        (whole(hour_of(row["timestamp"]), part), row["event_type"] == "error" or bool(row["data"].get("is_fallback")))
        for row in tried
        for part in ("", f"source={row['source']}")
    )


def of_sales(facts: Facts, measure: Callable[[Row], float | None]) -> Values:
    values = defaultdict[Key, list[float]](list)
    for sale in facts.sales:
        measured = measure(sale)
        told = [f"label_source={sale['label_source']}"] if sale["label_source"] else []
        for part in [*slices_of(facts, sale["conversation_id"]), *told]:
            if measured is not None:
                values[whole(hour_of(sale["started_at"]), part)].append(float(measured))
    return values


def money(facts: Facts, column: str) -> Found:
    known = [sale for sale in facts.sales if sale["is_sold"] is not None and sale["value"] is not None]
    values = defaultdict[Key, list[float]](list)
    for sale in known:
        for part in slices_of(facts, sale["conversation_id"]):
            hour = hour_of(sale["started_at"])
            here = [each for each in known if hour_of(each["started_at"]) == hour
                    and part in slices_of(facts, each["conversation_id"])]  # fmt: skip
            for currency in {"", *(each["currency"] for each in here)}:
                told = sale[column] if sale["currency"] == currency else 0
                values[whole(hour, f"currency={currency}" + (f",{part}" if part else ""))].append(float(told))
    return means(values)


def ended(facts: Facts, sale: Row) -> float | None:
    told = facts.of("current_outcomes", sale["conversation_id"])
    return float(told[0]["outcome"] == "abandoned") if told else None


def satisfaction(facts: Facts, sale: Row) -> float | None:
    given = [row for row in facts.of("outcomes", sale["conversation_id"]) if row["satisfaction"] is not None]
    latest = max(given, key=lambda row: (row["learnt_at"], row["event_id"]), default=None)
    return latest["satisfaction"] if latest else None


def phase_drop_off(facts: Facts) -> Found:
    lost = []
    for sale in facts.sales:
        answers = facts.of("predictions", sale["conversation_id"])
        said = sorted((row["turn"], row["context"]["phase"]) for row in answers if row["context"].get("phase"))
        for phase in {phase for _, phase in said} if sale["is_sold"] is not None else ():
            is_lost = phase == said[-1][1] and not sale["is_sold"]
            lost.append((whole(hour_of(sale["started_at"]), f"phase={phase}"), is_lost))
    return shares(lost)


def agent_share(facts: Facts, sale: Row) -> float:
    said = facts.of("turns", sale["conversation_id"])
    return sum(len(row["content"]) for row in said if row["role"] == "assistant") / sum(
        len(row["content"]) for row in said
    )


def turns_to_objection(facts: Facts) -> Found:
    values = defaultdict[Key, list[float]](list)
    for sale in facts.sales:
        read = facts.of("acts", sale["conversation_id"])
        acts = [(row["turn"], row["act"].removeprefix("objection_"), row["source"]) for row in read
                if row["act"].startswith("objection_")]  # fmt: skip
        told = [(row["turn"], each, row["source"]) for row in facts.of("current_labels", sale["conversation_id"])
                if row["task"] == "objection" and row["turn"] is not None for each in row["labels"]]  # fmt: skip
        if acts or told:
            first, kind, source = min(acts or told)
            customer = [row for row in facts.of("turns", sale["conversation_id"]) if row["role"] == "user"]
            parts = [*slices_of(facts, sale["conversation_id"]), f"label={kind}", f"label_source={source}"]
            for part in parts:
                values[whole(hour_of(sale["started_at"]), part)].append(sum(row["turn"] <= first for row in customer))
    return means(values)


def conflict_rate(facts: Facts) -> Found:
    started = {sale["conversation_id"]: hour_of(sale["started_at"]) for sale in facts.sales}
    held = [started[row["conversation_id"]] for row in facts.tables["current_labels"]]
    contradicted = {
        (started[row["conversation_id"]], part, row["conversation_id"], row["task"], row["turn"])
        for row in facts.tables["label_conflicts"]
        for part in ("", f"label_source={row['source']}")
    }
    told = {(hour, "") for hour in held} | {each[:2] for each in contradicted}
    return {
        whole(hour, part): (sum(each[:2] == (hour, part) for each in contradicted) / held.count(hour), held.count(hour))
        for hour, part in told
    }


RECOUNTS: dict[str, Callable[[Facts], Found]] = {
    "accuracy": accuracy,
    "precision": lambda facts: of_judged(facts, lambda row: float(row["is_true"]) if row["is_predicted"] else None),
    "recall": lambda facts: of_judged(facts, lambda row: float(row["is_predicted"]) if row["is_true"] else None),
    "f1": f1,
    "brier": lambda facts: of_judged(facts, lambda row: (row["probability"] - row["is_true"]) ** 2),
    "log_loss": lambda facts: of_judged(facts, loss),
    "calibration_gap": calibration_gap,
    "label_source_share": label_source_share,
    "conflict_rate": conflict_rate,
    "confidence": lambda facts: means(of_answers(facts, confidence)),
    "latency_mean": lambda facts: means(of_answers(facts, lambda row: row["latency_ms"])),
    "latency_p50": lambda facts: percentile(facts, 50),
    "latency_p95": lambda facts: percentile(facts, 95),
    "latency_p99": lambda facts: percentile(facts, 99),
    "predictions_per_hour": lambda facts: counts(of_answers(facts, lambda row: 1)),
    "turns_per_hour": turns_per_hour,
    "conversations_per_hour": lambda facts: counts(of_sales(facts, lambda sale: 1)),
    "error_rate": error_rate,
    "conversion_rate": lambda facts: means(of_sales(facts, lambda sale: sale["is_sold"])),
    "revenue": lambda facts: money(facts, "value"),
    "net_revenue": lambda facts: money(facts, "net_value"),
    "satisfaction": lambda facts: means(of_sales(facts, lambda sale: satisfaction(facts, sale))),
    "missing_outcome_rate": lambda facts: means(of_sales(facts, lambda sale: sale["is_sold"] is None)),
    "abandonment": lambda facts: means(of_sales(facts, lambda sale: ended(facts, sale))),
    "phase_drop_off": phase_drop_off,
    "talk_ratio": lambda facts: means(of_sales(facts, lambda sale: agent_share(facts, sale))),
    "turns_to_objection": turns_to_objection,
}
