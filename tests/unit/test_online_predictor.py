import random
import time

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_pipeline.errors import BundleError
from ml_pipeline.online.bundle import (
    LinearBundle,
    OneHotBlock,
    Sample,
    ScaledBlock,
    Sigmoid,
    TfidfBlock,
    decode,
    encode,
)
from ml_pipeline.online.features import CATEGORY_COLUMNS, NUMBER_COLUMNS, feature_row
from ml_pipeline.online.predictor import Predictor

SPANISH = "precio caro mañana señor ¿cuánto? ¡no! niño número a y o"
ENGLISH = "price expensive need trust feature_x competition K8s it's O'Brien e-mail 2,700$ 10:30 x2"
OTHERS = "größe naïve ΑΒΓ straße İstanbul ﬁn 🙂 👩‍👩‍👧 \u00a0 \u200b tab\there line\nbreak"
WORDS = [*SPANISH.split(" "), *ENGLISH.split(" "), *OTHERS.split(" ")]


def texts(count, seed):
    draw = random.Random(seed)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(0, 25))) for _ in range(count)]
    return [*made, "", " ", "a", "I", "é", "🙂", "  two  spaces ", "UPPER lower", "x" * 300]


def rows(count, seed):
    draw = random.Random(seed)
    return [
        feature_row(
            [("assistant", text[::-1]), ("user", text), ("assistant", text), ("user", text.upper())],
            {"phase": draw.choice(["closing", "", "greeting"]), "program": draw.choice(["PRIME", ""])},
        )
        for text in texts(count, seed)
    ]


BLOCKS = {
    "word": [("word", {"analyzer": "word", "ngram_range": (1, 1)})],
    "word 1-3": [("word", {"analyzer": "word", "ngram_range": (1, 3), "sublinear_tf": True})],
    "word 2-3": [("word", {"analyzer": "word", "ngram_range": (2, 3)})],
    "char_wb 2-5": [("char", {"analyzer": "char_wb", "ngram_range": (2, 5)})],
    "char_wb 4": [("char", {"analyzer": "char_wb", "ngram_range": (4, 4), "sublinear_tf": True})],
    "both": [
        ("word", {"analyzer": "word", "ngram_range": (1, 2), "min_df": 2}),
        ("char", {"analyzer": "char_wb", "ngram_range": (3, 4), "sublinear_tf": True, "max_features": 500}),
    ],
}


def fitted(blocks, labels=("price", "trust")):
    """A scikit-learn pipeline per label, and the bundle that must equal it."""
    import pandas as pd

    train = pd.DataFrame(rows(150, seed=1))
    columns = ColumnTransformer(
        [
            *((name, TfidfVectorizer(**options), "current") for name, options in blocks),
            ("category", OneHotEncoder(handle_unknown="ignore"), list(CATEGORY_COLUMNS[1:3])),
            ("number", StandardScaler(), list(NUMBER_COLUMNS)),
        ]
    )
    matrix = columns.fit_transform(train)
    draw = np.random.default_rng(7)
    models = {label: LogisticRegression(max_iter=200).fit(matrix, draw.integers(0, 2, len(train))) for label in labels}
    calibration = {label: Sigmoid(-1.3, 0.2) for label in labels}
    encoder, scaler = columns.named_transformers_["category"], columns.named_transformers_["number"]
    bundle = LinearBundle(
        task="objection", mode="detect", version="objection.detect/1", feature_revision=1, labels=list(labels),
        thresholds=dict.fromkeys(labels, 0.5),
        blocks=[
            *(tfidf_block(columns.named_transformers_[name], options) for name, options in blocks),
            *map(OneHotBlock, CATEGORY_COLUMNS[1:3], map(list, encoder.categories_)),
            ScaledBlock(list(NUMBER_COLUMNS), scaler.mean_.tolist(), scaler.scale_.tolist()),
        ],
        coefficients={label: models[label].coef_[0].tolist() for label in labels},
        intercepts={label: float(models[label].intercept_[0]) for label in labels},
        calibration=calibration,
        samples=[],
    )  # fmt: skip

    def expected(given):
        scores = {label: models[label].decision_function(columns.transform(pd.DataFrame(given))) for label in labels}
        return {label: 1 / (1 + np.exp(known.a * scores[label] + known.b)) for label, known in calibration.items()}

    return bundle, expected


def tfidf_block(vectorizer, options):
    return TfidfBlock(
        "current", options["analyzer"], options["ngram_range"], options.get("sublinear_tf", False),
        {gram: int(at) for gram, at in vectorizer.vocabulary_.items()}, vectorizer.idf_.tolist(),
    )  # fmt: skip


def with_samples(bundle, expected, given):
    answers = expected(given)
    samples = [Sample(row, {label: float(answers[label][at]) for label in answers}) for at, row in enumerate(given)]
    return LinearBundle(**{name: getattr(bundle, name) for name in bundle.__struct_fields__} | {"samples": samples})


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS.keys())
def test_plain_python_answers_as_scikit_learn_does(blocks):
    bundle, expected = fitted(blocks)
    fresh = rows(300, seed=2)

    predictor = Predictor(with_samples(bundle, expected, fresh[:20]))

    wanted = expected(fresh)
    for at, row in enumerate(fresh):
        answer = predictor.predict(row)
        for label, probability in answer.probabilities.items():
            assert abs(probability - wanted[label][at]) < 1e-9
        assert set(answer.labels) == {label for label in wanted if wanted[label][at] >= 0.5}


def test_a_bundle_survives_its_trip_through_json():
    bundle, expected = fitted(BLOCKS["both"])
    digest, content = encode(with_samples(bundle, expected, rows(5, seed=3)))

    predictor = Predictor(decode(content, digest))

    assert predictor.version == "objection.detect/1"


def test_an_altered_bundle_is_refused():
    bundle, expected = fitted(BLOCKS["word"])
    digest, content = encode(with_samples(bundle, expected, rows(5, seed=3)))

    with pytest.raises(BundleError, match="altered"):
        decode(content.replace(b'"word"', b'"char_wb"'), digest)


def changed(bundle, **fields):
    return LinearBundle(**{name: getattr(bundle, name) for name in bundle.__struct_fields__} | fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"samples": []}, "no sample"),
        ({"samples": [Sample({"current": "x"}, {"price": 0.123, "trust": 0.5})]}, "its sample says"),
        ({"samples": [Sample({"current": "x"}, {"weather": 0.5})]}, "its sample says"),
        ({"feature_revision": 99}, "needs features 99"),
        ({"thresholds": {}}, "does not fit together"),
        ({"intercepts": {"price": 0.0}}, "does not fit together"),
        ({"coefficients": {"price": [0.1], "trust": [0.2]}}, "does not fit together"),
        (
            {"blocks": [ScaledBlock(["turn"], [0.0], [0.0])], "coefficients": {"price": [1.0], "trust": [1.0]}},
            "cannot be run",
        ),
    ],
)  # fmt: skip
def test_a_bundle_that_cannot_prove_itself_is_refused(fields, said):
    bundle, expected = fitted(BLOCKS["word"])
    sound = with_samples(bundle, expected, rows(2, seed=3))

    with pytest.raises(BundleError, match=said):
        Predictor(changed(sound, **fields))


def test_a_prediction_takes_well_under_a_millisecond():
    bundle, expected = fitted(BLOCKS["both"], labels=("a", "b", "c", "d", "e", "f"))
    predictor = Predictor(with_samples(bundle, expected, rows(2, seed=3)))
    row = feature_row([("user", " ".join(WORDS[:20]))], {})
    times = []
    for _ in range(300):
        started = time.perf_counter()
        predictor.predict(row)
        times.append(time.perf_counter() - started)

    assert sorted(times)[150] < 0.005
