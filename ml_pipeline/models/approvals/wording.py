"""What a person reads before saying yes or no."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Approval = Mapping[str, Any]

GRANTED_WORDS = {
    "first": "becomes the first champion: it answers in live calls from then on",
    "shadow": "runs beside the champion, unseen by anybody",
    "canary": "answers a share of live calls",
    "champion": "replaces the champion in live calls",
}


def subject(approval: Approval) -> str:
    return f"{approval['version']}, {approval['step']}: {approval['headline']}"


def body(approval: Approval) -> str:
    """Return Markdown: what a yes does, what the default is, and the evidence as a table."""
    default = "granted" if approval["default_answer"] else "declined"
    lines = [
        f"**Granted**, {approval['version']} {GRANTED_WORDS[approval['kind']]}. **Declined**, it goes no further.",
        "",
        f"Without an answer by {_at(approval['answer_by'])} it is **{default}**. Asked at {_at(approval['asked_at'])}.",
        "",
        f"On the command line: `ml-pipeline approve {approval['task']} --why …`, or `decline`.",
    ]
    if approval["evidence"]:
        lines += ["", "| evidence | |", "|---|---|"]
        lines += [f"| {name} | {_cell(value)} |" for name, value in approval["evidence"].items()]
    return "\n".join(lines)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:300]
