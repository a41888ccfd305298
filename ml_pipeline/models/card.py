"""The model card: what a person needs to decide, in words and figures."""

from collections.abc import Iterator
from typing import Any

from ml_pipeline.vocabulary.tasks import Task

Evidence = dict[str, Any]


def card(task: Task, evidence: Evidence) -> str:
    """Return the card in Markdown."""
    return "\n".join(_lines(task, evidence)) + "\n"


def _lines(task: Task, evidence: Evidence) -> Iterator[str]:
    reason = evidence["reason"]
    yield f"# {task.name}, {task.mode}: {evidence['verdict']}"
    yield ""
    yield f"{reason[0].upper()}{reason[1:]}."
    yield ""
    yield f"Answers with a probability for each of: {', '.join(task.labels)}. {_when_it_holds(task)}"
    if evidence["constant_labels"]:
        names = ", ".join(evidence["constant_labels"])
        yield f"Learnt nothing about {names}: fewer than five examples; it answers their share."
    yield from _promotion(evidence)
    yield from _figures(evidence)
    yield from _opponents(evidence)
    yield from _checks(evidence["checks"])
    yield from _places("Slices", evidence["slices"], evidence)
    yield from _places("Told worse", evidence["stresses"], evidence)
    yield from _split(evidence["split"])
    yield from _origin(evidence)


def _when_it_holds(task: Task) -> str:
    if task.scope == "conversation":
        return "The label holds for the whole conversation; each turn is a row and a conversation weighs one."
    if task.mode == "detect":
        return "The label holds at the turn itself."
    until = f"in the customer's next {task.horizon} turns" if task.horizon else "until the conversation ends"
    return f"The label occurs {until}."


def _promotion(evidence: Evidence) -> Iterator[str]:
    budget, mix = evidence["budget"], evidence["serving_mix"]
    yield ""
    yield (
        f"- gate {budget['number']:,} of this task; it spent {budget['alpha']:.3%} of error, it and the"
        f" {budget['gates'] - 1} before it {budget['spent']:.2%} of {budget['error']:.0%}"
    )
    if evidence["age_days"] is not None:
        age = evidence["age_days"]
        yield f"- {age:.1f} days old when judged: so long ago began the newest conversation it learnt from"
    if refit := evidence.get("refit"):
        yield (
            f"- trained again by its recipe on all {refit['conversations']:,} conversations, those that judged it"
            " too, and serves so; every figure here is of the version that was judged"
        )
    if mix:
        whole = sum(mix.values())
        served = ", ".join(f"{version} {count / whole:.0%}" for version, count in mix.items())
        yield f"- what came of the conversations it was judged on arose under who served them: {served}"


def _checks(checks: list[Evidence]) -> Iterator[str]:
    if checks:
        yield from (
            "",
            "## What may not get worse",
            "",
            "| what | against | measured | held against | limit | passed |",
        )
        yield "| --- | --- | --- | --- | --- | --- |"
    for check in checks:
        yield (
            f"| {check['name']} | {check['opponent'] or '-'} | {check['value']:.4g} | {check['bound']:.4g}"
            f" | {check['limit']:.4g} | {'yes' if check['holds'] else '**no**'} |"
        )


def _places(title: str, places: list[Evidence], evidence: Evidence) -> Iterator[str]:
    if places:
        yield from (
            "",
            f"## {title}",
            "",
            f"| where | against | examples | {evidence['primary_metric']} | theirs | gain |",
        )
        yield "| --- | --- | --- | --- | --- | --- |"
    for place in places:
        mark = " **surely worse**" if place["is_worse"] else ""
        gain = place["gain"]
        yield (
            f"| {place['name']} | {place['opponent']} | {place['examples']:,} | {place['ours']:.3f}"
            f" | {place['theirs']:.3f} | {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}){mark} |"
        )


def _figures(evidence: Evidence) -> Iterator[str]:
    yield from ("", "## Figures, 95 % intervals clustered by customer or conversation", "")
    conversations = evidence["random_split"]["conversations"]
    yield f"| metric | split in time (decides) | random split of {conversations:,} conversations (for comparison) |"
    yield "| --- | --- | --- |"
    random = evidence["random_split"]["metrics"]
    for metric, figure in evidence["metrics"].items():
        mark = " (primary)" if metric == evidence["primary_metric"] else ""
        yield f"| {metric}{mark} | {_interval(figure)} | {_interval(random.get(metric))} |"
    yield ""
    yield "Figures of several labels are means over the labels with at least five examples of either class."


def _interval(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "-"


def _opponents(evidence: Evidence) -> Iterator[str]:
    yield from ("", "## Against whom", "", f"| opponent | {evidence['primary_metric']} | gain | at least |")
    yield "| --- | --- | --- | --- |"
    for name, value in evidence["baselines"].items():
        who = name.removesuffix(f".{evidence['primary_metric']}")
        gain = evidence["gains"].get(who)
        told = f"{gain['value']:+.3f} | {gain['low']:+.3f}" if gain else "not decisive | -"
        yield f"| {who} | {'no answers' if value is None else f'{value:.3f}'} | {told} |"
    yield ""
    yield (
        "prior: always the share among the training rows. rule: logistic regression on turn number and counts of words"
        " and questions. caller: what the agent itself predicted. Gains are paired, lower bounds one-sided at"
        f" {evidence['alpha']:.2%}."
    )


def _split(split: Evidence) -> Iterator[str]:
    yield from ("", "## Rows", "", "| part | conversations | rows | examples | first | last |")
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in ("train", "calibration", "gate"):
        part = split[name]
        yield (
            f"| {name} | {part['conversations']:,} | {part['rows']:,} | {part['positives']:,} | {part['from']}"
            f" | {part['to']} |"
        )


def _origin(evidence: Evidence) -> Iterator[str]:
    dataset = evidence["dataset"]
    yield from ("", "## Where it comes from", "")
    yield f"- rows frozen as {dataset['digest']}"
    yield f"- label sources: {_counts(dataset['label_sources'])}"
    if dataset["left_out"]:
        yield f"- customer turns left out: {_counts(dataset['left_out'])}"
    if dataset["unknown_labels"]:
        yield f"- labels the task does not have: {_counts(dataset['unknown_labels'])}"
    yield f"- recipe: {evidence['recipe']}, features of revision {evidence['feature_revision']}"
    yield f"- code revision: {evidence['revision'] or 'not a git checkout'}"
    yield f"- libraries: {', '.join(f'{name} {number}' for name, number in evidence['libraries'].items())}"
    yield f"- asked for: {dataset['asked_because']}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
