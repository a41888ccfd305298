"""What one round of the loop came to: a flat document for programs, words and tables for people."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]

PROMOTE = "PROMOTE"


@dataclass(frozen=True, slots=True)
class Round:
    """Everything a round produced, before it is put in words.

    ``figures`` is what ``store.read_all`` returned; ``dag_runs`` the final state per DAG; ``decisions`` the latest
    decision per task; ``urls`` where the UIs are.
    """

    source: str
    is_simulated: bool
    seconds: float
    figures: dict[str, Any]
    dag_runs: dict[str, str]
    decisions: dict[str, Row]
    malformed: int
    urls: dict[str, str]


def as_document(done: Round) -> dict[str, Any]:
    """Return the summary as written to ``.local/summary.json``."""
    facts, events, quality = (done.figures[section] for section in ("facts", "events", "quality"))
    served = best_served(done.figures["served"])
    return {
        "ok": is_ok(done, served),
        "source": done.source,
        "is_simulated": done.is_simulated,
        "seconds": round(done.seconds, 1),
        "conversations": facts["conversations"],
        "malformed_conversations": done.malformed,
        "turns": facts["turns"],
        "events": {name: events[name] for name in ("accepted", "stored", "duplicate", "rejected", "spooled")},
        "predictions": facts["predictions"],
        "outcomes": {name: facts[f"outcomes_{name}"] for name in ("recorded", "matched", "unmatched")},
        "dag_runs": done.dag_runs,
        "quality": {"checks": quality["checks"], "failed": quality["failed"]}
        | {name: quality[name] for name in ("failed_critical", "hours_trusted", "hours_held", "hours_pending")},
        "drift": {
            "checks": len(done.figures["drift"]),
            "findings": sum(row["has_drifted"] for row in done.figures["drift"]),
        },
        "models": {task: model(decision) for task, decision in done.decisions.items()},
        "champions": {row["task"]: row["version"] for row in done.figures["champions"]},
        "served": served,
        "urls": done.urls,
    }


def model(decision: Row) -> Row:
    """Return a decision as the summary shows it."""
    return {
        "version": decision["version"],
        "gate": decision["verdict"],
        "reason": decision["reason"],
        "metrics": decision["metrics"],
        "baseline": decision["baselines"],
        "split": decision["split"],
    }


def best_served(rows: list[Row]) -> dict[str, Row]:
    """Return per task the version that served most predictions, and how many."""
    served: dict[str, Row] = {}
    for row in rows:
        if row["predictions"] > served.get(row["task"], {"predictions": 0})["predictions"]:
            served[row["task"]] = {"version": row["version"], "predictions": row["predictions"]}
    return served


def is_ok(done: Round, served: dict[str, Row]) -> bool:
    """Tell whether every DAG run succeeded and some champion that passed its gate was served."""
    champions = {row["task"]: row["version"] for row in done.figures["champions"]}
    is_closed = any(task in champions for task in served)
    return is_closed and bool(done.dag_runs) and all(state == "success" for state in done.dag_runs.values())


def show(document: dict[str, Any], done: Round, console: Console) -> None:
    """Print the summary for a person."""
    console.rule("[bold]One round of the loop")
    kind = "simulated, with known truth" if done.is_simulated else "real conversations"
    console.print(f"Source          {done.source} ({kind}), {document['seconds']:.0f} s")
    console.print(_counts(document))
    console.print(_quality_words(document, done.figures["failed_checks"]))
    console.print(_drift_words(document, done.figures["drift"]))
    console.print(_metrics_table(done.figures["metrics"]))
    console.print(_models_table(document["models"]))
    for task, decision in document["models"].items():
        console.print(f"  {task}: {decision['reason']}")
    console.print(_served_words(document))
    console.print("DAG runs        " + ", ".join(f"{dag} {state}" for dag, state in document["dag_runs"].items()))
    for name, url in document["urls"].items():
        console.print(f"{name:<15} {url}")
    verdict = "[bold green]The loop closed." if document["ok"] else "[bold red]The loop did not close."
    console.print(verdict)


def _counts(document: dict[str, Any]) -> str:
    events, outcomes = document["events"], document["outcomes"]
    return (
        f"Conversations   {document['conversations']:,} with {document['turns']:,} turns"
        f" ({document['malformed_conversations']} malformed and left out)\n"
        f"Events          {events['accepted']:,} accepted = {events['stored']:,} stored"
        f" + {events['duplicate']:,} duplicate + {events['rejected']:,} rejected + {events['spooled']:,} spooled\n"
        f"Predictions     {document['predictions']:,}\n"
        f"Outcomes        {outcomes['recorded']:,} recorded, {outcomes['matched']:,} matched with predictions,"
        f" {outcomes['unmatched']:,} unmatched"
    )


def _quality_words(document: dict[str, Any], failed: list[Row]) -> str:
    quality = document["quality"]
    words = (
        f"Quality         {quality['checks']:,} checks, {quality['failed']:,} failed"
        f" ({quality['failed_critical']:,} critical); hours: {quality['hours_trusted']:,} trusted,"
        f" {quality['hours_held']:,} held, {quality['hours_pending']:,} pending"
    )
    for row in failed:
        words += (
            f"\n                {row['severity']}: {row['table_name']}: {row['expectation']} ({row['times']} times)"
        )
    return words


def _drift_words(document: dict[str, Any], checks: list[Row]) -> str:
    drift = document["drift"]
    words = f"Drift           {drift['checks']} checks, {drift['findings']} findings"
    for row in checks:
        if row["has_drifted"]:
            words += f"\n                {row['severity']}: {row['headline']}"
    return words


def _metrics_table(rows: list[Row]) -> Table:
    table = Table(title="Metrics of all trusted hours (percentiles and counts: the middle hour)", title_justify="left")
    for column in ("metric", "task", "version"):
        table.add_column(column)
    for column in ("value", "rows"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row["metric"], row["task"], row["version"], f"{row['value']:,.3f}", f"{row['n']:,}")
    return table


def _models_table(models: dict[str, Row]) -> Table:
    table = Table(title="Models, judged on conversations they never saw", title_justify="left")
    for column in ("task", "version", "gate", "metric", "holdout (95 %)", "baselines"):
        table.add_column(column)
    for task, decision in models.items():
        first = True
        for name, figure in decision["metrics"].items():
            table.add_row(
                task if first else "",
                decision["version"] if first else "",
                decision["gate"] if first else "",
                name,
                f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]",
                ", ".join(f"{who} {value:.3f}" for who, value in _baselines_of(decision, name).items()),
            )
            first = False
        if first:
            table.add_row(task, decision["version"], decision["gate"], "", "", "")
    return table


def _baselines_of(decision: Row, metric: str) -> dict[str, float]:
    ending = f".{metric}"
    return {
        name.removesuffix(ending): value
        for name, value in decision["baseline"].items()
        if name.endswith(ending) and value is not None
    }


def _served_words(document: dict[str, Any]) -> str:
    if not document["served"]:
        return "Served          no prediction of a champion: the agent's own answers stood"
    return "Served          " + "; ".join(
        f"{task}: {row['version']} answered {row['predictions']:,} times" for task, row in document["served"].items()
    )
