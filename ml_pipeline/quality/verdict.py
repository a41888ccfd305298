"""What the results of checks say of each hour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_pipeline.quality.check import CheckResult
from ml_pipeline.vocabulary.verdicts import Severity


@dataclass(frozen=True, slots=True)
class HourVerdict:
    """``facts_version`` names the facts that were judged; ``reason`` is None where the hour is trusted."""

    hour: datetime
    facts_version: int
    reason: str | None

    @property
    def state(self) -> str:
        return "held" if self.reason else "trusted"


def judge_hours(facts_versions: Mapping[datetime, int], results: Iterable[CheckResult]) -> list[HourVerdict]:
    """Hold each hour that a failed critical check concerns, trust the others.

    ``facts_versions``: the hours that were judged. A failure without hours of its own concerns them all.
    """
    failed = [result for result in results if not result.has_passed and result.severity is Severity.CRITICAL]
    return [
        HourVerdict(hour, version, _reason([each for each in failed if each.hours is None or hour in each.hours]))
        for hour, version in facts_versions.items()
    ]


def _reason(failed: Sequence[CheckResult]) -> str | None:
    return ", ".join(f"{result.table}.{result.name}" for result in failed) or None
