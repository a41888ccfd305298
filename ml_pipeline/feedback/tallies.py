from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the predictions of one version in some hours.

    ``labelled`` predictions are those whose truth is known; an answer is one label of a labelled prediction, so that
    ``answers`` is the denominator of ``errors`` (by kind).
    """

    task: str
    mode: str
    version: str
    predictions: int
    labelled: int
    answers: int
    errors: Mapping[str, int]


def flat_counts(tallies: Iterable[Tally], kinds: Iterable[str]) -> dict[str, int]:
    """Return totals over all versions, with every kind of error, and the same per version: ``… of <task>.<mode> by …``.

    >>> tally = Tally("conversion", "anticipate", "caller", 5, 3, 3, {"conversion_error": 1})
    >>> counts = flat_counts([tally], ["conversion_error"])
    >>> counts["unlabelled"], counts["conversion_error of conversion.anticipate by caller"]
    (2, 1)
    """
    totals = Counter(dict.fromkeys(("predictions", "labelled", "unlabelled", "answers", "errors", *kinds), 0))
    versions: Counter[str] = Counter()
    for tally in tallies:
        counts = {
            "predictions": tally.predictions,
            "labelled": tally.labelled,
            "unlabelled": tally.predictions - tally.labelled,
            "answers": tally.answers,
            "errors": sum(tally.errors.values()),
            **tally.errors,
        }
        totals.update(counts)
        whose = f"of {tally.task}.{tally.mode} by {tally.version}"
        versions.update({f"{name} {whose}": count for name, count in counts.items()})
    return dict(totals) | dict(versions)
