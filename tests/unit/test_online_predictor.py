"""What the agent computes in plain Python is what scikit-learn computes."""

import gc
import hashlib
import random
import weakref
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler

from ml_pipeline.errors import BundleError
from ml_pipeline.models.export import as_table, export, prove
from ml_pipeline.models.heads import LabelHeads, TreeHeads
from ml_pipeline.models.known_words import KnownWords
from ml_pipeline.online.predicting.bundle import (
    Bundle,
    LinearBundle,
    NumberInput,
    Sample,
    ScaledBlock,
    Terms,
    TfidfBlock,
    Tree,
    TreeBundle,
    Trees,
    Words,
    decode,
    encode,
)
from ml_pipeline.online.predicting.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, REVISION, TEXT_COLUMNS, feature_row
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.vocabulary.tasks import Mode, Task, TaskKind

SPANISH = "precio caro mañana señor ¿cuánto? ¡no! niño número a y o"
ENGLISH = "price expensive need trust feature_x competition K8s it's O'Brien e-mail 2,700$ 10:30 x2"
OTHERS = "größe naïve ΑΒΓ straße İstanbul ﬁn 🙂 👩‍👩‍👧 \u00a0 \u200b tab\there line\nbreak"
WORDS = [*SPANISH.split(" "), *ENGLISH.split(" "), *OTHERS.split(" ")]
TASK = Task("objection", TaskKind.MULTI_LABEL, ("price", "trust", "never"), Mode.DETECT, "turn", "macro_ap")
CATEGORIES, NUMBERS = list(CATEGORY_COLUMNS), list(NUMBER_COLUMNS)


def texts(count, seed):
    draw = random.Random(seed)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(0, 25))) for _ in range(count)]
    return [*made, "", " ", "a", "I", "é", "🙂", "  two  spaces ", "UPPER lower", "x" * 300]


def rows(count, seed):
    draw = random.Random(seed)
    return [
        feature_row(
            [("assistant", text[::-1]), ("user", text), ("assistant", text), ("user", text.upper())],
            {
                "phase": draw.choice(["closing", "", "greeting"]),
                "program": draw.choice(["PRIME", ""]),
                "age_band": draw.choice(["18-24", "25-34", "65-plus"]),
            },
        )
        for text in texts(count, seed)
    ]


def table(count, seed, **columns):
    made = as_table(rows(count, seed))
    generator = np.random.default_rng(seed)
    numbers = {name: generator.integers(0, 60, len(made)).astype(float) for name in NUMBERS}
    return made.assign(customer_group=[f"c{at}" for at in range(len(made))], **numbers | columns)


BLOCKS: dict[str, list[dict[str, Any]]] = {
    "word": [{"analyzer": "word", "ngram_range": (1, 1)}],
    "word 1-3": [{"analyzer": "word", "ngram_range": (1, 3), "sublinear_tf": True}],
    "word 2-3": [{"analyzer": "word", "ngram_range": (2, 3)}],
    "char_wb 2-5": [{"analyzer": "char_wb", "ngram_range": (2, 5)}],
    "char_wb 4": [{"analyzer": "char_wb", "ngram_range": (4, 4), "sublinear_tf": True}],
    "both": [
        {"analyzer": "word", "ngram_range": (1, 2), "min_df": 2},
        {"analyzer": "char_wb", "ngram_range": (3, 4), "sublinear_tf": True, "max_features": 500},
    ],
}


def linear(blocks, others=4):
    """Return a fitted scikit-learn pipeline over these text blocks, categories and numbers."""
    columns = ColumnTransformer(
        [
            *((f"text{at}", TfidfVectorizer(**options), "current") for at, options in enumerate(blocks)),
            *((name, OneHotEncoder(handle_unknown="ignore"), [name]) for name in CATEGORIES),
            ("numbers", StandardScaler(), NUMBERS),
        ]
    )
    return fitted(columns, LabelHeads(), others)


ENCODED = {"handle_unknown": "use_encoded_value"}
TREES: dict[str, Any] = {
    "one-hot": (
        [("categories", OneHotEncoder(handle_unknown="ignore"), CATEGORIES), ("numbers", "passthrough", NUMBERS)],
        {},
    ),
    "numbered": (
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("categories", OrdinalEncoder(**ENCODED, unknown_value=-1), CATEGORIES),
        ],
        {},
    ),
    "native, unknown is missing": (
        [
            ("numbers", StandardScaler(), NUMBERS),
            ("categories", OrdinalEncoder(**ENCODED, unknown_value=np.nan), CATEGORIES),
        ],
        {"categorical_features": range(len(NUMBERS), len(NUMBERS) + len(CATEGORIES))},
    ),
    "native, unknown is -1": (
        [
            ("categories", OrdinalEncoder(**ENCODED, unknown_value=-1), CATEGORIES),
            ("numbers", "passthrough", NUMBERS),
        ],
        {"categorical_features": range(len(CATEGORIES))},
    ),
}


def trees(steps: Any, options: Any) -> Pipeline:
    return fitted(ColumnTransformer(steps, sparse_threshold=0), TreeHeads({"max_iter": 30, **options}), 4)


def fitted(columns, heads, others):
    train = with_gaps(table(400, seed=1), seed=1) if isinstance(heads, TreeHeads) else table(400, seed=1)
    words = KnownWords(others, ["current"] if isinstance(heads, LabelHeads) else []).fit(train)
    matrix = columns.fit_transform(words.transform(train))
    noise = np.random.default_rng(7).normal(size=len(train))
    price = train["phase"].eq("closing") * 2 + train["turn"].fillna(60) / 30 + noise > 2
    trust = train["age_band"].isin(["18-24", "65-plus"]) * 2 - train["agent_words"].fillna(0) / 20 + noise > 0
    truth = np.stack([price, trust, np.zeros(len(train), dtype=bool)], axis=1)
    heads.fit(matrix, truth)
    heads.calibrate(matrix[::3], truth[::3], np.ones(len(truth[::3])))
    return Pipeline([("words", words), ("columns", columns), ("heads", heads)])


def with_gaps(given, seed):
    """Leave out a tenth of all numbers."""
    generator = np.random.default_rng(seed)
    return given.assign(**{name: given[name].mask(generator.random(len(given)) < 0.1) for name in NUMBERS})


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS.keys())
def test_plain_python_answers_as_scikit_learn_does(blocks):
    model = linear(blocks)

    proven = prove(export(model, TASK, "v/1"), model, table(1_000, seed=2), budget_ms=1_000)

    assert proven == 1_000


@pytest.mark.parametrize(("steps", "options"), TREES.values(), ids=TREES.keys())
def test_plain_python_answers_as_boosted_trees_do_also_with_missing_numbers_and_unseen_categories(steps, options):
    model = trees(steps, options)
    generator = np.random.default_rng(5)
    fresh = with_gaps(table(1_000, seed=2), seed=2)
    fresh = fresh.assign(**{name: fresh[name].mask(generator.random(len(fresh)) < 0.2, "?") for name in CATEGORIES})

    proven = prove(export(model, TASK, "v/1"), model, fresh, budget_ms=1_000)

    assert proven == 1_000
    assert len(model[-1].boosted_) == 2
    assert np.ptp(model.predict_proba(fresh), axis=0)[:2].min() > 0.5


def test_a_split_on_missing_alone_survives_the_export():
    rows = table(400, seed=1)
    rows["turn"] = np.where(np.arange(len(rows)) % 3 == 0, np.nan, 1.0)
    truth = rows[["turn"]].isna().to_numpy()
    columns = ColumnTransformer([("numbers", "passthrough", ["turn"])])
    heads = TreeHeads({"max_iter": 3}).fit(columns.fit_transform(rows), truth)
    model = Pipeline([("words", KnownWords(0, []).fit(rows)), ("columns", columns), ("heads", heads)])
    task = replace(TASK, labels=("price",))

    assert np.isinf(heads.boosted_[0]._predictors[0][0].nodes["num_threshold"]).any()
    assert prove(export(model, task, "v/1"), model, rows, budget_ms=1_000) == len(rows)


def test_a_word_of_no_list_is_seen_by_no_block():
    model = linear([BLOCKS["word 1-3"][0], BLOCKS["char_wb 2-5"][0]])
    predictor = Predictor(export(model, TASK, "v/1"))
    heard = as_table(rows(1, seed=2)).to_dict("records")[0] | {"current": "price is expensive"}

    plain, named = (predictor.predict(heard | {"current": said}) for said in ("price trust", "price Perez89 trust"))

    assert "perez89" not in model.named_steps["words"].words_
    assert plain == named


def test_a_kind_without_an_exporter_cannot_be_published():
    model = linear(BLOCKS["word"])
    other = Pipeline([*model.steps[:-1], ("heads", MLPClassifier())])

    with pytest.raises(BundleError, match="a MLPClassifier has no exporter"):
        export(other, TASK, "v/1")


@pytest.mark.parametrize("step", [MinMaxScaler(), PolynomialFeatures()])
def test_a_step_before_trees_that_bundles_cannot_carry_is_refused(step):
    model = trees([("some", make_pipeline(SimpleImputer(), step), ["turn"])], {})

    with pytest.raises(BundleError, match=r"a Pipeline on .* before trees"):
        export(model, TASK, "v/1")


def test_a_model_slower_than_its_share_of_the_budget_is_refused():
    model = linear(BLOCKS["both"])
    bundle = export(model, TASK, "v/1")

    with pytest.raises(BundleError, match="a tenth of predict_budget_ms"):
        prove(bundle, model, table(20, seed=2), budget_ms=1e-6)


def test_a_model_with_an_export_that_answers_otherwise_is_refused():
    model = linear(BLOCKS["word"])
    bundle = export(model, TASK, "v/1")
    model[-1].intercepts_ += 1e-7

    with pytest.raises(BundleError, match="off the model it came from"):
        prove(bundle, model, table(50, seed=2), budget_ms=1_000)


def test_long_parts_are_cut_so_that_none_takes_long_to_decode():
    model = linear([{"analyzer": "word", "ngram_range": (1, 4)}])

    parts = list(export(model, TASK, "v/1").parts())

    terms = [len(part.terms) for part in parts if isinstance(part, Terms)]
    assert sum(terms) == len(model[1].named_transformers_["text0"].vocabulary_) > 2_000
    assert max(terms) == 1_000


def test_who_prepares_a_model_rests_after_every_part_and_every_sample():
    bundle = export(linear([{"analyzer": "word", "ngram_range": (1, 4)}]), TASK, "v/1")
    rests = []

    Predictor(bundle, rest=lambda: rests.append(1))

    assert len(rests) == len(list(bundle.parts())) + len(bundle.model.samples)


def test_a_model_that_was_replaced_is_gone_at_once_without_a_garbage_collection():
    predictor: Any = Predictor(export(linear(BLOCKS["both"]), TASK, "v/1"))
    block = weakref.ref(predictor._scorer._blocks[0])
    gc.disable()
    try:
        del predictor

        assert block() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("model", [linear(BLOCKS["both"]), trees(*TREES["one-hot"])], ids=["linear", "trees"])
def test_an_altered_bundle_is_refused(model):
    bundle = export(model, TASK, "v/1")

    for altered in (bundle.content.replace(b"1", b"2", 1), bundle.content[:-20], bundle.content + b"\n{}"):
        with pytest.raises(BundleError, match="altered"):
            decode(altered, bundle.digest)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format":1,"kind":"linear"}', b'{"kind":"forest"}', b"\xff", b'{"kind":"linear"}\n{']
)
def test_a_bundle_of_another_release_or_of_none_is_refused(content):
    digest = hashlib.sha256(content).hexdigest()

    with pytest.raises(BundleError, match="agent and jobs must be of one release"):
        decode(content, digest)


KNOWN: dict[str, Any] = {
    "task": "objection", "mode": "detect", "version": "v/1", "feature_revision": REVISION, "labels": ["price"],
    "thresholds": {"price": 0.5}, "intercepts": {"price": 0.0}, "calibration": {},
    "samples": [Sample({"turn": 0.0}, {"price": 0.5})],
}  # fmt: skip
TEXT = TfidfBlock("current", "word", (1, 1), sublinear_tf=False)
LEAF = Tree([0], [0.0], [0], [0], [False], [], [])


def line_of_trees(**fields):
    return TreeBundle(**KNOWN | {"inputs": [NumberInput("turn")]} | fields)


def line_of_weights(**fields):
    return LinearBundle(**KNOWN | {"blocks": [TEXT], "coefficients": {"price": []}} | fields)


def made(model, *parts) -> Bundle:
    digest, content = encode(model, parts)
    return decode(content, digest)


@pytest.mark.parametrize(
    ("model", "parts", "said"),
    [
        (line_of_weights(samples=[]), [], "no sample"),
        (line_of_weights(samples=[Sample({}, {"price": 0.123})]), [], "its sample says"),
        (line_of_weights(samples=[Sample({}, {"weather": 0.5})]), [], "its sample says"),
        (line_of_weights(feature_revision=99), [], "needs features 99"),
        (line_of_weights(thresholds={}), [], "does not fit together"),
        (line_of_weights(intercepts={}), [], "does not fit together"),
        (line_of_weights(coefficients={"price": [0.1]}), [], "does not fit together"),
        (line_of_weights(), [Terms(3, ["a"], [1.0], [[1.0]])], "does not fit together"),
        (line_of_weights(), [Terms(0, ["a"], [1.0], [[1.0], [2.0]])], "does not fit together"),
        (line_of_weights(), [Terms(0, ["a"], [1.0], [[]])], "does not fit together"),
        (line_of_weights(), [Terms(0, ["a", "a"], [1.0, 1.0], [[1.0, 1.0]])], "does not fit together"),
        (line_of_weights(), [Trees("price", [LEAF])], "a linear model has no Trees"),
        (
            line_of_weights(blocks=[ScaledBlock(["turn"], [0.0], [0.0])], coefficients={"price": [1.0]}),
            [],
            "cannot be run",
        ),
        (line_of_trees(), [Words(["a"])], "a model of trees has no Words"),
        (line_of_trees(), [Trees("trust", [LEAF])], "does not fit together"),
        (line_of_trees(), [Trees("price", [msgspec.structs.replace(LEAF, inputs=[9])])], "does not fit together"),
        (line_of_trees(), [Trees("price", [msgspec.structs.replace(LEAF, left=[1, 2])])], "does not fit together"),
        (
            line_of_trees(),
            [Trees("price", [Tree([0, 0], [9.0, 0.0], [1, 0], [1, 0], [True, True], [0], [])])],
            "does not fit together",
        ),
        (
            line_of_trees(),
            [Trees("price", [Tree([0, 0], [9.0, 9.0], [1, 1], [1, 1], [True, True], [], [])])],
            "does not fit together",
        ),
    ],
)  # fmt: skip
def test_a_bundle_that_does_not_fit_together_or_cannot_prove_itself_is_refused(model, parts, said):
    bundle = made(model, *parts)

    with pytest.raises(BundleError, match=said):
        Predictor(bundle)


def test_text_columns_that_no_row_has_say_nothing():
    predictor = Predictor(made(line_of_weights(), Words(["a"]), Terms(0, ["a"], [1.0], [[1.0]])))

    assert predictor.predict({}).probabilities == {"price": 0.5}
    assert set(TEXT_COLUMNS) >= {TEXT.column}


def test_a_table_of_rows_has_a_gap_where_a_row_has_none():
    assert pd.isna(as_table([{"turn": 1.0}])["agent_words"][0])
