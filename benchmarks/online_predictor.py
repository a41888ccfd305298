"""What a prediction costs, and what taking in a new model costs everybody else. Run on the stage of ``online_stage``.

Linear champions: two tasks of PersuasionForGood and the needs of CaSiNo, as they are trained; every held-out row is
scored by all three. Trees: 100 per label over categories and numbers. Swap: three new champions while an event loop
looks every two milliseconds how late it is woken; "large" has 50,000 terms and six labels each.

Run by ``make bench-predictor``; needs ../shared/data or HOLDOUT_DATA.
"""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import msgspec
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.agent import probe
from benchmarks.champions import crown
from benchmarks.claims import Claim, at_least, at_most, told, write
from benchmarks.holdout_figures import DATA
from benchmarks.labelled import labelled_conversations
from benchmarks.percentiles import percentile
from ml_pipeline import MLPipelineService
from ml_pipeline.database.engine import transaction
from ml_pipeline.models.candidates.columns import word_columns
from ml_pipeline.models.candidates.fit import fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.export import FEATURES, as_table, export, prove
from ml_pipeline.models.heads import TreeHeads
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.models.linear_export import TERMS_OF_A_PART
from ml_pipeline.models.split import CALIBRATION, GATE, TRAIN
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.online.predicting.bundle import Bundle, LinearBundle, Sample, Terms, TfidfBlock, Words, decode, encode
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, REVISION, FeatureRow, Heard
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.samples.sources import open_source
from ml_pipeline.settings import Settings
from ml_pipeline.vocabulary.tasks import DEFAULT_TASKS, Task

RUNS = 5
ROWS = 1_000
CHAMPIONS = (("persuasionforgood", "objection"), ("persuasionforgood", "conversion"), ("casino", "needs"))
TREES = 100
LARGE_TERMS = 50_000
IDLE_SECONDS = 2.0
SWAP_SECONDS = 30.0
_versions = count(2)  # the stage has published the first
BUDGET_MS = Settings().predict_budget_ms


@dataclass(frozen=True)
class Trained:
    rows: TrainingSet
    model: Pipeline
    bundle: Bundle


def main() -> None:
    if sys.argv[1:2] == ["publish"]:
        publish(Path(sys.argv[2]))
    else:
        write("predictor", _claims())


def _claims() -> Iterator[Claim]:
    champions = [_linear(source, task) for source, task in CHAMPIONS]
    yield from _scoring(champions)
    yield from _trees(champions[0])
    yield from _features()
    yield from _swap("three champions as trained", [champion.bundle for champion in champions])
    yield from _swap("three large champions", [_large(task) for task in DEFAULT_TASKS])


def _linear(source_name: str, task_name: str) -> Trained:
    source = open_source(DATA / source_name)
    task = next(task for task in source.tasks if task.name == task_name)
    rows = assemble(task, labelled_conversations(source, task))
    recipe = LinearRecipe(2.0, None, Settings().words_min_conversations)
    model = fit(rows.part(TRAIN), rows.part(CALIBRATION), recipe, word_columns(task))
    bundle = export(model, task, f"{task.name}.{task.mode}/1")
    prove(bundle, model, rows.part(GATE).rows, BUDGET_MS)
    return Trained(rows, model, bundle)


def _rows(trained: Trained) -> list[FeatureRow]:
    gate = trained.rows.part(GATE).rows[list(FEATURES)]
    return list(gate.sample(min(ROWS, len(gate)), random_state=0).to_dict("records"))


def _scoring(champions: Sequence[Trained]) -> Iterator[Claim]:
    predictors = [Predictor(champion.bundle) for champion in champions]
    rows = [row for champion in champions for row in _rows(champion)]
    costs = [sorted(_costs(predictors, rows)) for _ in range(RUNS + 1)][1:]  # the first run warms up
    p99 = [percentile(each, 0.99) for each in costs]
    yield at_most("scoring all three tasks, linear champions: p99", p99, 1.0, "ms")
    halves = [percentile(each, 0.5) for each in costs]
    pipelines = [_pipelines(champions, rows[: len(rows) // 20]) for _ in range(3)]
    ratios = [theirs / ours for theirs, ours in zip(pipelines, halves, strict=False)]
    peers = {"ours_ms": halves[0], "scikit_learn_ms": pipelines[0]}
    yield at_least(
        "scikit-learn's pipelines over ours, a row through three linear models, p50", ratios, 10, peers=peers
    )


def _costs(predictors: Sequence[Predictor], rows: Sequence[FeatureRow]) -> list[float]:
    """Return milliseconds per row through all of ``predictors``."""
    costs = []
    for row in rows:
        started = time.perf_counter()
        for predictor in predictors:
            predictor.predict(row)
        costs.append(1000 * (time.perf_counter() - started))
    return costs


def _pipelines(trained: Sequence[Trained], rows: Sequence[FeatureRow]) -> float:
    costs = []
    for row in rows:
        table = as_table([row])
        started = time.perf_counter()
        for one in trained:
            one.model.predict_proba(table)
        costs.append(1000 * (time.perf_counter() - started))
    return percentile(sorted(costs), 0.5)


def _trees(on: Trained) -> Iterator[Claim]:
    train, calibration = on.rows.part(TRAIN), on.rows.part(CALIBRATION)
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORY_COLUMNS)),
            ("numbers", "passthrough", list(NUMBER_COLUMNS)),
        ],
        sparse_threshold=0,
    )
    heads = TreeHeads({"max_iter": TREES}).fit(columns.fit_transform(train.rows), train.truth, train.weights)
    heads.calibrate(columns.transform(calibration.rows), calibration.truth, calibration.weights)
    model = Pipeline([("words", KnownWords(0, []).fit(train.rows)), ("columns", columns), ("heads", heads)])
    boosted = Trained(on.rows, model, export(model, on.rows.task, "trees/1"))
    prove(boosted.bundle, model, on.rows.part(GATE).rows, BUDGET_MS)
    predictor, rows = Predictor(boosted.bundle), _rows(boosted)
    ours = [percentile(sorted(_costs([predictor], rows)), 0.5) for _ in range(RUNS)]
    theirs = [_pipelines([boosted], rows[:50]) for _ in range(RUNS)]
    trees = TREES * len(heads.boosted_)
    peers = {"ours_ms": ours[0], "scikit_learn_ms": theirs[0]}
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    yield at_least(
        f"scikit-learn's pipeline over ours, a row through {trees} boosted trees, p50", ratios, 10, peers=peers
    )
    yield told("a boosted tree, a row", [1000 * cost / trees for cost in ours], "us")


def _features() -> Iterator[Claim]:
    """The features of turn 40 beside those of turn 4, the same words at both."""
    said = [
        ("assistant" if turn % 2 else "user", f"so {turn % 4} is the price of it, I see, " * 5) for turn in range(41)
    ]
    early, late = [], []
    for _ in range(RUNS):
        costs: dict[int, list[float]] = {turn: [] for turn in range(len(said))}
        for _ in range(ROWS):
            heard = Heard()
            for turn, (role, content) in enumerate(said):
                started = time.perf_counter()
                heard.add(role, content)
                heard.row({})
                costs[turn].append(1000 * (time.perf_counter() - started))
        early.append(percentile(sorted(costs[4]), 0.5))
        late.append(percentile(sorted(costs[40]), 0.5))
    ratios = [after / before for before, after in zip(early, late, strict=True)]
    yield at_most("features of turn 40 over turn 4, p50", ratios, 1.2, peers={"turn_4_ms": early[0]})


def _large(task: Task) -> Bundle:
    """Return a bundle of 50,000 terms and six labels that nobody trained."""
    draw = random.Random(task.name)
    labels = [f"label {number}" for number in range(6)]
    block = TfidfBlock("current", "word", (1, 2), sublinear_tf=True)
    model = LinearBundle(
        task=task.name, mode=task.mode, version="", feature_revision=REVISION, labels=labels,
        thresholds=dict.fromkeys(labels, 0.5), intercepts=dict.fromkeys(labels, 0.0), calibration={},
        samples=[Sample({"current": "nothing of it"}, dict.fromkeys(labels, 0.5))], blocks=[block],
        coefficients={label: [] for label in labels},
    )  # fmt: skip
    parts: list[Words | Terms] = [Words([f"word{number}" for number in range(5_000)])]
    for start in range(0, LARGE_TERMS, TERMS_OF_A_PART):
        terms = [f"word{number % 5_000} word{number}" for number in range(start, start + TERMS_OF_A_PART)]
        weights = [[draw.gauss(0, 1) for _ in terms] for _ in labels]
        parts.append(Terms(0, terms, [draw.uniform(1, 9) for _ in terms], weights))
    digest, content = encode(model, parts)
    return decode(content, digest)


def _swap(name: str, bundles: Sequence[Bundle]) -> Iterator[Claim]:
    idle, lags, seconds = asyncio.run(_swaps(bundles))
    p999 = [percentile(sorted(each), 0.999) for each in lags]
    megabytes = sum(len(bundle.content) for bundle in bundles) / 1e6
    peers = {"idle_ms": percentile(sorted(idle), 0.999), "swap_s": median(seconds)}
    yield at_most(f"hot swap, {name}, {megabytes:.1f} MB: loop lag p99.9", p999, 20.0, "ms", peers)


async def _swaps(bundles: Sequence[Bundle]) -> tuple[list[float], list[list[float]], list[float]]:
    """Return the lags (ms) of the event loop before any swap and during each, and how long each took."""
    lags, seconds = [], []
    async with MLPipelineService() as service:
        reader = service.started().policy
        idle = await probe(IDLE_SECONDS)
        for _ in range(RUNS):
            before = reader.policy.position
            publisher, folder = await asyncio.to_thread(_start_publishing, bundles, next(_versions))
            probing = asyncio.create_task(_probe_until_changed(service, before))
            await asyncio.to_thread(publisher.communicate, b"now")
            lag, took = await probing
            assert len(reader.policy.models) == len(bundles), "a bundle was refused; see the log"
            lags.append(lag)
            seconds.append(took)
            shutil.rmtree(folder)
    return idle, lags, seconds


async def _probe_until_changed(service: MLPipelineService, before: tuple[int, int]) -> tuple[list[float], float]:
    reader, started = service.started().policy, time.perf_counter()
    lag_ms: list[float] = []
    while reader.policy.position == before:
        assert time.perf_counter() - started < SWAP_SECONDS, "the policy did not come"
        lag_ms += await probe(0.1)
    return lag_ms, time.perf_counter() - started


def _start_publishing(bundles: Sequence[Bundle], number: int) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a process that promotes ``bundles`` as new versions once it is told to; other processes promote."""
    folder = Path(tempfile.mkdtemp(prefix="mlp-bench-"))
    for bundle, task in zip(bundles, DEFAULT_TASKS, strict=True):
        version = f"{task.name}.{task.mode}/{number}"
        named = msgspec.structs.replace(bundle.model, task=task.name, mode=task.mode, version=version)
        _, content = encode(named, bundle.parts())
        (folder / task.name).write_bytes(content)
    command = [sys.executable, "-m", "benchmarks.online_predictor", "publish", str(folder)]
    publisher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert publisher.stdout is not None
    publisher.stdout.readline()  # it is ready
    return publisher, folder


def publish(folder: Path) -> None:
    """Promote what is in ``folder`` for each default task in one transaction, once a line comes in."""
    contents = {task: (folder / task.name).read_bytes() for task in DEFAULT_TASKS}
    print("ready", flush=True)
    sys.stdin.read()
    with transaction(os.environ["BENCH_OWNER_DSN"]) as tx:
        for task, content in contents.items():
            digest = hashlib.sha256(content).hexdigest()
            version = decode(content, digest).model.version
            crown(tx, task, version, (digest, content))


if __name__ == "__main__":
    main()
