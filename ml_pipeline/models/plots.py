"""What a candidate did on the gate block and before it, for the eyes of whoever compares versions in MLflow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from ml_pipeline.models.scores import Block, Flags, Numbers

BINS = 10
OUTCOMES = ("found", "missed", "false alarm", "rightly silent")


def plots(block: Block, answers: Numbers, evidence: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Yield (file name, figure) of every plot; a label with too few examples is left out of the curves."""
    yield "calibration.png", _by_label(block, answers, _calibration, ("mean probability", "share of positives"))
    yield "precision_recall.png", _by_label(block, answers, _precision_recall, ("recall", "precision"))
    yield "confusion.png", _confusion(block, answers, evidence["thresholds"])
    yield "learning_curve.png", _learning_curve(evidence["learning_curve"], evidence["primary_metric"])
    yield "slices.png", _gains([*evidence["slices"], *evidence["stresses"]], evidence["primary_metric"])


def _by_label(
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


def _confusion(block: Block, answers: Numbers, thresholds: Mapping[str, float]) -> Figure:
    called = answers >= np.array([thresholds[label] for label in block.labels])
    holds = block.truth
    counts = np.stack([(holds & called), (holds & ~called), (~holds & called), (~holds & ~called)]).sum(axis=1).T
    of_truth = counts / np.maximum(np.repeat(counts.reshape(-1, 2, 2).sum(axis=2), 2, axis=1), 1)
    figure = Figure(figsize=(7, 1.5 + 0.5 * len(block.labels)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(of_truth, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        share = of_truth[row, column]
        told = f"{count:,}  ({share:.0%})"
        axes.text(column, row, told, ha="center", va="center", color="white" if share > 0.5 else "black")
    names = [f"{label} ≥ {thresholds[label]:.2f}" for label in block.labels]
    axes.set(xticks=range(len(OUTCOMES)), xticklabels=OUTCOMES, yticks=range(len(names)), yticklabels=names)
    figure.supxlabel("rows (of those where the label holds | of those where it does not)", fontsize="medium")
    return figure


def _learning_curve(curve: Sequence[Mapping[str, float]], metric: str) -> Figure:
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    learnt_from, values = [point["conversations"] for point in curve], [point["value"] for point in curve]
    reach = [[point["value"] - point["low"] for point in curve], [point["high"] - point["value"] for point in curve]]
    axes.errorbar(learnt_from, values, yerr=reach, marker="o", capsize=4)
    axes.set(xlabel="conversations learnt from", ylabel=f"{metric} on the newest of the training part", xscale="log")
    axes.set_xticks(learnt_from, [f"{count:,}" for count in learnt_from])
    axes.minorticks_off()
    return figure


def _gains(places: Sequence[Mapping[str, Any]], metric: str) -> Figure:
    """Draw by how much the candidate is better in each part of the block, by opponent."""
    names = list(dict.fromkeys(f"{place['name']} ({place['examples']:,})" for place in places))
    opponents = list(dict.fromkeys(place["opponent"] for place in places))
    figure = Figure(figsize=(8, 1.5 + 0.35 * len(names)), layout="constrained")
    axes = figure.subplots()
    for beside, opponent in enumerate(opponents):
        met = [place for place in places if place["opponent"] == opponent]
        rows = [names.index(f"{place['name']} ({place['examples']:,})") + 0.2 * beside for place in met]
        gains = [place["gain"] for place in met]
        reach = [[gain["value"] - gain["low"] for gain in gains], [gain["high"] - gain["value"] for gain in gains]]
        axes.errorbar([gain["value"] for gain in gains], rows, xerr=reach, fmt="o", label=f"over {opponent}")
    axes.axvline(0, color="grey", linestyle=":")
    axes.set(xlabel=f"gain in {metric}, 95 %; right is better", yticks=range(len(names)), yticklabels=names)
    axes.invert_yaxis()
    if names:
        figure.legend(loc="outside upper center", ncols=len(opponents))
    return figure
