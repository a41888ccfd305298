"""The shipped rules and the operator's own, from documents."""

import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ml_pipeline.alerts.kinds.absence import Absence
from ml_pipeline.alerts.kinds.budget import Budget
from ml_pipeline.alerts.kinds.change import Change
from ml_pipeline.alerts.kinds.drift import Drift
from ml_pipeline.alerts.kinds.quality import Quality
from ml_pipeline.alerts.kinds.threshold import Threshold
from ml_pipeline.alerts.lifecycle import Key
from ml_pipeline.alerts.rule import Rule
from ml_pipeline.alerts.verdict import State, Verdict
from ml_pipeline.errors import RuleError

log = logging.getLogger(__name__)

AnyRule: TypeAlias = Threshold | Change | Absence | Quality | Drift | Budget
Document: TypeAlias = Mapping[str, Any]

UNREADABLE = Rule(
    name="unreadable_rule",
    description="An alert rule cannot be read or judged. The others are judged without it.",
    severity="warning",
    owner="models",
    runbook="docs/alerts.md",
    window_hours=1,
    clear_after=1,
)
"""The rule about rules: its subjects are their names."""

FORGOTTEN = timedelta(days=7)
"""An alert that did not fire for so long and was not seen quiet is of a subject that is not there any more."""

SHIPPED = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules in force, by name, and why each of the others cannot be read."""

    rules: Mapping[str, AnyRule]
    unreadable: Mapping[str, str]

    def judge(self, judge: Callable[[AnyRule], Iterable[Verdict]]) -> Iterator[tuple[Rule, Verdict]]:
        """Yield what ``judge`` says of each rule, and of every rule whether it could be read and judged at all."""
        for name, reason in self.unreadable.items():
            yield UNREADABLE, _readability(name, reason)
        for name, rule in self.rules.items():
            try:
                verdicts = list(judge(rule))
            except RuleError as error:
                log.warning("alerts.rule_failed rule=%s", name, exc_info=error)
                yield UNREADABLE, _readability(name, str(error))
            else:
                yield UNREADABLE, _readability(name, None)
                yield from ((rule, verdict) for verdict in verdicts)

    def orphans(self, last_seen: Mapping[Key, datetime], now: datetime) -> dict[Key, str]:
        """Return which open alerts no verdict will ever resolve, each with the reason to."""
        known = self.rules.keys() | self.unreadable.keys()
        found: dict[Key, str] = {}
        for (rule, subject), seen in last_seen.items():
            if (subject if rule == UNREADABLE.name else rule) not in known:
                found[rule, subject] = "the rule was taken out"
            elif seen < now - FORGOTTEN:
                found[rule, subject] = "not measured any more"
        return found


def read_rules(own: Iterable[Document] = ()) -> Rulebook:
    """Return the shipped rules with the operator's ``own`` over them.

    One with the name of a shipped rule replaces the fields it gives; ``disabled = true`` takes a rule out.
    """
    documents = {document["name"]: document for document in shipped_documents()}
    for place, document in enumerate(own):
        name = str(document.get("name", f"alert_rules[{place}]"))
        documents[name] = {**documents.get(name, {}), **document}
    rules: dict[str, AnyRule] = {}
    unreadable: dict[str, str] = {}
    for name, document in documents.items():
        try:
            rule = read_rule(name, document)
        except RuleError as error:
            unreadable[name] = str(error)
        else:
            if not rule.disabled:
                rules[name] = rule
    return Rulebook(rules, unreadable)


def _readability(name: str, fault: str | None) -> Verdict:
    state = State.FIRING if fault else State.QUIET
    return Verdict(name, state, float(bool(fault)), 0, 0, fault or "can be read", {"rule": name})


def shipped_documents() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))["rules"]
    return rules


def read_rule(name: str, document: Document) -> AnyRule:
    """Return the rule that a document holds.

    Raises:
        RuleError: naming rule, field and value, if it holds none.
    """
    try:
        rule: AnyRule = msgspec.convert(document, AnyRule)
    except msgspec.ValidationError as error:
        raise RuleError(f"alert rule {name}: {error}{_given(document, str(error))}; see docs/alerts.md") from error
    return rule


def _given(document: Document, message: str) -> str:
    """Return what stands in the field that a message of msgspec names."""
    field = re.search(r"at `\$\.(\w+)", message)
    return f" is {document[field.group(1)]!r}" if field else ""
