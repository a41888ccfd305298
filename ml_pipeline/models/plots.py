"""Curves of a candidate on the gate block, for the eyes of whoever compares versions in MLflow."""

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from ml_pipeline.models.scores import Block, Flags, Numbers

BINS = 10


def plots(block: Block, answers: Numbers) -> Iterator[tuple[str, Figure]]:
    """Yield (file name, figure) of every plot; a label with too few examples is left out."""
    yield "calibration.png", _figure(block, answers, _calibration, ("mean probability", "share of positives"))
    yield "precision_recall.png", _figure(block, answers, _precision_recall, ("recall", "precision"))


def _figure(
    block: Block, answers: Numbers, draw: Callable[[Axes, Flags, Numbers, str], None], axes_names: tuple[str, str]
) -> Figure:
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    for label in block.scored():
        draw(axes, block.truth[:, label], answers[:, label], block.labels[label])
    axes.set(xlabel=axes_names[0], ylabel=axes_names[1], xlim=(0, 1), ylim=(0, 1))
    if block.scored():
        axes.legend(loc="best")
    return figure


def _calibration(axes: Axes, truth: Flags, probability: Numbers, name: str) -> None:
    bins = np.array_split(np.argsort(probability, kind="stable"), BINS)
    means = [(float(probability[rows].mean()), float(truth[rows].mean())) for rows in bins if len(rows)]
    axes.plot(*zip(*means, strict=True), marker="o", label=name)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")


def _precision_recall(axes: Axes, truth: Flags, probability: Numbers, name: str) -> None:
    precision, recall, _ = precision_recall_curve(truth, probability)
    axes.step(recall, precision, where="post", label=f"{name} (share {truth.mean():.3f})")
