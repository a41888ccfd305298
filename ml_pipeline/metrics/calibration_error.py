from ml_pipeline.metrics.metric import Bounded, Controls, Slices


def expected_calibration_error(slices: Slices, controls: Controls) -> dict[str, Bounded]:
    """Return how far the probabilities of a tenth lie from what came true of them, on average over (answer, label).

    Of ten equal tenths (ECE; Naeini, Cooper and Hauskrecht 2015). It has no interval, and few answers make it too high.

    >>> from ml_pipeline.metrics.metric import Figure
    >>> tenths = {"probability=0.1": Figure(0.05, 30), "probability=0.9": Figure(-0.25, 10)}
    >>> expected_calibration_error(tenths, {})
    {'': Bounded(value=0.1, n=40, low=None, high=None)}
    """
    n = sum(tenth.n for tenth in slices.values())
    return {"": Bounded(sum(abs(tenth.value) * tenth.n for tenth in slices.values()) / n, n)} if n else {}
