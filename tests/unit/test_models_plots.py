from typing import Any

import numpy as np
import pytest

from ml_pipeline.models.plots import plots
from ml_pipeline.models.scores import Block

GAIN = {"value": 0.1, "low": -0.1, "high": 0.3}
PLACE = {"name": "language=es", "opponent": "rule", "examples": 40, "gain": GAIN}
EVIDENCE: dict[str, Any] = {
    "primary_metric": "macro_ap",
    "thresholds": {"price": 0.5, "trust": 0.5},
    "learning_curve": [
        {"conversations": count, "value": value, "low": value - 0.1, "high": value + 0.1}
        for count, value in ((50, 0.4), (100, 0.6))
    ],
    "slices": [PLACE, PLACE | {"opponent": "prior"}],
    "stresses": [PLACE | {"name": "typos"}],
}


def block(holds: list[list[int]]) -> Block:
    truth = np.array(holds, dtype=bool)
    return Block(("price", "trust"), truth, np.ones(len(truth)), np.arange(len(truth)))


def texts(figure: Any) -> list[str]:
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def test_the_confusion_says_of_each_label_what_was_found_missed_and_called_falsely():
    truth = [[1, 0]] * 3 + [[0, 0]] * 5
    answers = np.array([[0.9, 0.1], [0.8, 0.1], [0.2, 0.1], [0.7, 0.6], *[[0.1, 0.1]] * 4])

    figure = dict(plots(block(truth), answers, EVIDENCE))["confusion.png"]

    assert texts(figure) == [
        *("2  (67%)", "1  (33%)", "1  (20%)", "4  (80%)"),
        *("0  (0%)", "0  (0%)", "1  (12%)", "7  (88%)"),
    ]


def test_the_learning_curve_has_a_point_for_each_rung():
    figure = dict(plots(block([[1, 0]] * 8), np.full((8, 2), 0.3), EVIDENCE))["learning_curve.png"]

    assert np.array_equal(figure.axes[0].lines[0].get_xydata(), [[50, 0.4], [100, 0.6]])


def test_gains_are_drawn_by_opponent_where_they_were_measured():
    figure = dict(plots(block([[1, 0]] * 8), np.full((8, 2), 0.3), EVIDENCE))["slices.png"]

    axes = figure.axes[0]
    assert axes.get_legend_handles_labels()[1] == ["over rule", "over prior"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["language=es (40)", "typos (40)"]


@pytest.mark.parametrize("lacking", ["learning_curve", "slices", "stresses"])
def test_what_was_not_measured_is_an_empty_plot(lacking):
    found = dict(plots(block([[0, 0]] * 8), np.full((8, 2), 0.3), EVIDENCE | {lacking: []}))

    for figure in found.values():
        figure.savefig("/dev/null", format="png")
    assert len(found) == 5
