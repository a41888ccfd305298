import math
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from ml_pipeline.errors import BundleError
from ml_pipeline.models.assessment import assess, describe_rows
from ml_pipeline.models.candidates import columns as seen
from ml_pipeline.models.candidates import fit as fitting
from ml_pipeline.models.candidates import search as searching
from ml_pipeline.models.candidates.columns import columns_of, word_columns
from ml_pipeline.models.candidates.fit import answers, fit, recipe_of
from ml_pipeline.models.candidates.recipe import LinearRecipe, TreeRecipe
from ml_pipeline.models.candidates.search import Rung, Tried, learning_curve, search
from ml_pipeline.models.card import card
from ml_pipeline.models.conversations import LabelledConversation, Spoken, Truth
from ml_pipeline.models.export import FEATURES, export, prove, run
from ml_pipeline.models.gate import Answers, GateRules
from ml_pipeline.models.gate.budget import allow
from ml_pipeline.models.opponents import Standing
from ml_pipeline.models.provenance import origin
from ml_pipeline.models.training_set import TrainingSet, assemble
from ml_pipeline.online.predicting.bundle import decode, encode
from ml_pipeline.online.predicting.predictor import Predictor
from ml_pipeline.vocabulary.estimate import Estimate
from ml_pipeline.vocabulary.tasks import CONVERSION, Mode, Task, TaskKind

DETECT = Task("objection", TaskKind.MULTI_LABEL, ("price", "trust", "never"), Mode.DETECT, "turn", "macro_ap")
RULES = GateRules("macro_ap", 0.05, 20)
SMALL_TREES = (TreeRecipe(5, 2, 20, 0.1), TreeRecipe(10, 4, 20, 0.1))
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
SAID = {
    (): ("Yes, go on please {n}.", "Sí, cuénteme más {n}.", "Good morning {n}, how are you?", "Muy bien, gracias {n}."),
    ("price",): ("That is too expensive {n}.", "Es demasiado caro para mí {n}.", "I cannot afford that price {n}."),
    ("trust",): ("I do not believe you {n}.", "No confío en esto, ¿es una estafa? {n}", "Sounds like a scam {n}."),
}


def conversations(count: int, seed: int = 0) -> list[LabelledConversation]:
    generator = np.random.default_rng(seed)
    return [_conversation(number, generator) for number in range(count)]


def _conversation(number: int, generator: np.random.Generator) -> LabelledConversation:
    spoken, truths = [], {}
    for exchange in range(4):
        labels = list(SAID)[generator.choice(3, p=[0.7, 0.18, 0.12])]
        words = generator.choice(SAID[labels]).format(n=generator.integers(30))
        context = {"language": "es" if "í" in words else "en", "phase": ("greeting", "closing")[exchange // 2]}
        spoken += [
            Spoken(2 * exchange, "assistant", f"Tell me, number {generator.integers(30)}?"),
            Spoken(2 * exchange + 1, "user", words, context=context),
        ]
        truths[2 * exchange + 1] = Truth(labels, "human", START)
    is_sold = all(truth.labels != ("trust",) for truth in truths.values())
    truths[None] = Truth(("sold",) if is_sold else (), "agent", START)  # type: ignore[index]
    name = f"c{number:03}"
    return LabelledConversation(name, name, START + timedelta(hours=number), tuple(spoken), truths)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> TrainingSet:
    return assemble(DETECT, conversations(160))


@pytest.fixture(scope="module")
def model(rows):
    columns = word_columns(DETECT)
    return fit(rows.part("train"), rows.part("calibration"), LinearRecipe(3.0, None, 5), columns)


def standing(gate: TrainingSet, champion: Answers | None = None, serving_mix: dict[str, int] | None = None) -> Standing:
    """Return a first gate at which the agent answered nothing."""
    caller = Answers("caller", np.full(gate.truth.shape, np.nan), is_baseline=True)
    return Standing(START + timedelta(days=9), allow(0.10, 26, []), caller, champion, serving_mix or {})


def test_a_candidate_learns_in_two_languages_what_the_rule_cannot(rows, model):
    found = assess(rows, model, RULES, standing(rows.part("gate")))

    assert found.evidence["verdict"] == "PROMOTE"
    assert found.evidence["metrics"]["macro_ap"]["value"] > 0.95
    assert found.evidence["baselines"]["rule.macro_ap"] < 0.6
    assert found.evidence["baselines"]["caller.macro_ap"] is None


def test_a_label_without_examples_is_answered_with_a_small_constant(rows, model):
    constant = answers(model, rows.part("gate").rows)[:, 2]

    assert np.ptp(constant) == 0
    assert 0 < constant[0] < 0.01
    assert model[-1].constant_.tolist() == [False, False, True]


def test_balanced_classes_are_tried_where_ranking_is_judged_and_trees_where_columns_are_for_them():
    ranked = searching.recipes(columns_of(DETECT), 5, "macro_ap")
    probable = searching.recipes(columns_of(CONVERSION), 5, "log_loss")

    linear = [LinearRecipe(strength, None, 5) for strength in searching.STRENGTHS]
    assert ranked == [r for one in linear for r in (one, LinearRecipe(one.strength, "balanced", 5))]
    assert probable == [*linear, *searching.TREES]


@pytest.mark.parametrize("task", [DETECT, CONVERSION])
def test_the_search_puts_the_best_first_whatever_the_metric_wants(task, monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (1e-6, 2.0))
    monkeypatch.setattr(searching, "TREES", SMALL_TREES[:1])

    tried = search(assemble(task, conversations(200)).part("train"), columns_of(task), 5)

    costs = [-one.value if task.primary_metric == "macro_ap" else one.value for one in tried]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1] - 0.05


def test_the_better_half_of_each_kind_goes_on_to_twice_as_many_conversations(monkeypatch):
    monkeypatch.setattr(searching, "FEWEST_TO_HALVE", 1)
    monkeypatch.setattr(searching, "TREES", SMALL_TREES)

    tried = search(assemble(CONVERSION, conversations(100)).part("train"), columns_of(CONVERSION), 5)

    learnt_from = [[rung.conversations for rung in one.rungs] for one in tried]
    assert sorted(map(len, learnt_from)) == [1, 1, 1, 2, 4, 4]
    assert [len(rungs) for rungs in learnt_from[:2]] == [4, 4]
    assert {one.recipe.kind for one in tried[:2]} == {"linear", "trees"}
    assert learnt_from[0] == [5, 10, 20, 40]


def test_who_judges_probabilities_never_calibrates_them(monkeypatch):
    monkeypatch.setattr(searching, "MANY_CUSTOMERS", 1)
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))
    train = assemble(CONVERSION, conversations(100)).part("train")
    is_judge = np.arange(len(train.rows)) >= 0.75 * len(train.rows)
    nearly_all_sold = np.where(is_judge, np.arange(len(train.rows)) % 10 > 0, train.truth[:, 0])

    (tried,) = search(replace(train, truth=nearly_all_sold[:, None]), {"linear": columns_of(CONVERSION)["linear"]}, 5)

    entropy_of_nine_in_ten = 0.325
    assert tried.value > 2 * entropy_of_nine_in_ten


def test_the_better_half_of_a_kind_are_its_first():
    linear = [Tried(LinearRecipe(strength, None, 5), ()) for strength in (1.0, 2.0, 3.0)]
    trees = [Tried(recipe, ()) for recipe in SMALL_TREES]

    assert searching._better_half([*linear, *trees]) == [*linear[:2], trees[0]]
    assert searching._better_half([trees[1], *linear, trees[0]]) == [trees[1], *linear[:2]]


def test_recipes_that_learnt_from_a_handful_all_go_on(monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (0.5, 2.0))
    monkeypatch.setattr(searching, "TREES", SMALL_TREES[:1])

    tried = search(assemble(CONVERSION, conversations(60)).part("train"), columns_of(CONVERSION), 5)

    assert [len(one.rungs) for one in tried] == [len(searching.RUNGS)] * 3


def test_recipes_are_judged_by_the_newest_conversations_alone(rows, monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))
    train = rows.part("train")
    is_newest = (train.rows["started_at"] > train.rows["started_at"].quantile(0.51)).to_numpy()
    shuffled = train.truth.copy()
    shuffled[is_newest] = np.random.default_rng(1).permutation(shuffled[is_newest])

    found, misled = (search(replace(train, truth=truth), columns_of(DETECT), 5)[0] for truth in (train.truth, shuffled))

    assert found.value > 0.9
    assert misled.value < 0.4


def test_the_learning_curve_has_the_figure_of_every_rung_with_its_interval(rows, monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))
    best = search(rows.part("train"), columns_of(DETECT), 5)[0]

    curve = learning_curve(best)

    assert [point["conversations"] for point in curve] == [10, 20, 40, 80]
    assert curve[-1]["value"] == best.value
    assert all(point["low"] <= point["value"] <= point["high"] for point in curve)
    assert curve[0]["value"] < curve[-1]["value"]


def test_a_rung_without_an_interval_is_no_point_of_the_curve():
    known, unsure = Estimate(0.4, 0.3, 0.5), Estimate(0.4, -math.inf, math.inf)
    rungs = (Rung(10, None), Rung(20, unsure), Rung(40, known))

    curve = learning_curve(Tried(LinearRecipe(1.0, None, 5), rungs))

    assert curve == [{"conversations": 40, "value": 0.4, "low": 0.3, "high": 0.5}]


def test_of_a_long_log_the_newest_customers_are_searched_on(rows, monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))
    monkeypatch.setattr(searching, "MOST_ROWS", 200)
    train = rows.part("train")
    newest = train.take(np.arange(len(train.rows) - 200, len(train.rows)))

    found, expected = (search(given, columns_of(DETECT), 5)[0] for given in (train, newest))

    assert found == expected
    assert found.rungs[-1].conversations < 50


def test_of_conversations_with_one_truth_a_few_turns_teach_as_much_as_all(monkeypatch):
    train = assemble(CONVERSION, conversations(60)).part("train")
    monkeypatch.setattr(fitting, "MOST_ROWS", 2 * len(train.conversation_ids) + 1)

    taught = fitting._thinned(train)

    turns = taught.rows.groupby("conversation_id")
    assert turns.size().eq(2).all()
    assert turns["weight"].sum().to_list() == pytest.approx([1.0] * len(train.conversation_ids))
    assert taught.rows["turn"].nunique() == 4


def test_every_turn_with_a_label_of_its_own_teaches(rows, monkeypatch):
    monkeypatch.setattr(fitting, "MOST_ROWS", 10)

    assert fitting._thinned(rows) is rows


def test_each_step_of_search_and_fit_is_told_to_the_log(rows, caplog, monkeypatch):
    monkeypatch.setattr(searching, "STRENGTHS", (2.0,))

    with caplog.at_level("INFO"):
        best = search(rows.part("train"), columns_of(DETECT), 5)[0]
        fit(rows.part("train"), rows.part("calibration"), best.recipe, columns_of(DETECT)["linear"])

    events = Counter(record.message.split(" ")[0] for record in caplog.records)
    assert events == {
        "search.tried": 8,
        "search.rung": 4,
        "candidate.columns": 1,
        "candidate.fitted": 1,
        "candidate.calibrated": 1,
    }


def test_boosted_trees_learn_are_told_apart_and_answer_the_same_in_the_agent():
    rows = assemble(CONVERSION, conversations(160))
    columns, recipe = columns_of(CONVERSION)["trees"], TreeRecipe(20, 4, 20, 0.1)

    model, again = (fit(rows.part("train"), rows.part("calibration"), recipe, columns) for _ in range(2))

    bundle = export(model, CONVERSION, "conversion/1")
    assert recipe_of(model) == recipe
    assert export(again, CONVERSION, "conversion/1").digest == bundle.digest
    assert prove(bundle, model, rows.part("gate").rows, 1_000) == 160
    assert np.ptp(run(bundle, rows.part("gate").rows)) > 0


def test_categories_so_rare_that_they_share_a_number_are_answered_alike_in_the_agent(monkeypatch):
    monkeypatch.setattr(seen, "MAX_CATEGORIES", 3)
    rows = assemble(CONVERSION, conversations(160))
    language = np.random.default_rng(0).choice(
        ["ca", "en", "es", "eu", "gl"], len(rows.rows), p=[0.02, 0.46, 0.48, 0.02, 0.02]
    )
    told = replace(rows, rows=rows.rows.assign(language=language), truth=~np.isin(language, ["en", "es"])[:, None])
    columns = columns_of(CONVERSION)["trees"]

    model = fit(told.part("train"), told.part("calibration"), TreeRecipe(20, 4, 5, 0.1), columns)

    assert prove(export(model, CONVERSION, "conversion/1"), model, told.part("gate").rows, 1_000) == 160
    probable = answers(model, told.rows)[:, 0]
    assert probable[language == "gl"].min() > 0.5 > probable[language == "es"].max()


def test_conversion_is_judged_per_conversation():
    rows = assemble(CONVERSION, conversations(160))
    columns = word_columns(CONVERSION)
    model = fit(rows.part("train"), rows.part("calibration"), LinearRecipe(3.0, None, 5), columns)

    evidence = assess(rows, model, GateRules("log_loss", 0.05, 10), standing(rows.part("gate"))).evidence

    assert evidence["split"]["gate"] == evidence["split"]["gate"] | {"conversations": 40, "rows": 160}
    assert evidence["positives"] <= 20
    assert evidence["metrics"]["log_loss"]["value"] < evidence["baselines"]["prior.log_loss"]


def test_a_source_whose_agent_never_speaks_can_be_learnt(rows):
    silent = [
        LabelledConversation(
            one.conversation_id,
            one.customer_group,
            one.started_at,
            tuple(Spoken(turn, "user", said.content) for turn, said in enumerate(one.spoken[1::2])),
            {(turn - 1) // 2: truth for turn, truth in one.truths.items() if turn is not None},
        )
        for one in conversations(60)
    ]
    quiet = assemble(DETECT, silent)

    model = fit(quiet.part("train"), quiet.part("calibration"), LinearRecipe(1.0, None, 5), word_columns(DETECT))

    assert "previous_words" not in model.named_steps["columns"].named_transformers_
    assert prove(export(model, DETECT, "objection.detect/1"), model, quiet.part("gate").rows, 1_000) == 60


def test_training_twice_gives_the_same_bundle(rows, model):
    columns = word_columns(DETECT)

    again = fit(rows.part("train"), rows.part("calibration"), LinearRecipe(3.0, None, 5), columns)

    assert export(again, DETECT, "v/1").digest == export(model, DETECT, "v/1").digest


def test_a_bundle_answers_like_its_model_whatever_is_said(rows, model):
    strange = rows.part("gate").rows.head(8).copy()
    strange["current"] = [
        "",
        "¿¡ÑANDÚ!?",
        "ǅ İstanbul ẞ",
        "🙂 caro 🙂",
        "a",
        "too  expensive\n\n",
        "١٢٣ _x_",
        "e\u0301",
    ]
    strange["language"] = ["xx", "", "es", "en", "es", "en", "??", "es"]
    strange["turn"] = [0.0, 1e9, -1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
    bundle = export(model, DETECT, "objection.detect/1")

    assert np.abs(run(bundle, strange) - model.predict_proba(strange)).max() < 1e-9


def test_a_bundle_carries_its_proof_and_nobody_s_sentence(rows, model):
    bundle = export(model, DETECT, "objection.detect/1")

    Predictor(bundle)
    sentences = set(rows.rows["current"]) | set(rows.rows["previous"])
    told = {str(value) for sample in bundle.model.samples for value in sample.row.values()}
    assert len(bundle.model.samples) == 8
    assert not sentences & told


def test_a_bundle_that_answers_otherwise_may_not_serve(rows, model):
    bundle = export(model, DETECT, "objection.detect/1")
    bent = {**bundle.model.intercepts, "price": bundle.model.intercepts["price"] + 1e-6}
    digest, content = encode(msgspec.structs.replace(bundle.model, intercepts=bent), bundle.parts())

    with pytest.raises(BundleError):
        prove(decode(content, digest), model, rows.part("gate").rows, 1_000)


def test_a_step_that_bundles_cannot_carry_is_refused(rows, model):
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler

    columns = ColumnTransformer([("numbers", MinMaxScaler(), ["turn"])]).fit(rows.rows)

    with pytest.raises(BundleError, match="MinMaxScaler"):
        export(Pipeline([model.steps[0], ("columns", columns), ("heads", model[-1])]), DETECT, "v/1")


def test_a_champion_is_beaten_by_itself_never(rows, model):
    gate = rows.part("gate")
    itself = Answers("objection.detect/1", answers(model, gate.rows))

    evidence = assess(rows, model, RULES, standing(gate, itself)).evidence

    assert evidence["verdict"] == "HOLD"
    assert evidence["gains"] == {"objection.detect/1": {"value": 0.0, "low": 0.0}}
    assert evidence["baselines"]["prior.macro_ap"] < 0.4


def test_the_card_says_verdict_baselines_split_and_origin_in_words(rows, model):
    found = assess(rows, model, RULES, standing(rows.part("gate"), None, {"caller": 30, "objection.detect/1": 10}))
    dataset = describe_rows(rows, "r" * 16, "drift of the price objection")

    text = card(DETECT, found.evidence | origin("run1", dataset, "ab12"))

    assert text.startswith("# objection, detect: PROMOTE\n\nSurely better: macro_ap ")
    assert re.search(r"\| macro_ap \(primary\) \| [\d.]+ \([\d.]+ to [\d.]+\) \| [\d.]+ \(", text)
    assert re.search(r"\| prior \| 0\.\d{3} \| \+0\.\d{3} \| \+0\.\d{3} \|", text)
    assert "| caller | no answers | not decisive | - |" in text
    assert "| gate | 40 | 160 |" in text
    assert "gate 1 of this task; it spent 5.000% of error, it and the 25 before it 5.00% of 10%" in text
    assert "arose under who served them: caller 75%, objection.detect/1 25%" in text
    assert re.search(r"\d\.\d days old when judged", text)
    assert re.search(r"\| auc \| prior \| 0\.\d+ \| 0\.\d+ \| -0\.02 \| yes \|", text)
    assert re.search(r"\| language=es \| prior \| \d+ \| [\d.]+ \| [\d.]+ \| \+", text)
    assert re.search(r"\| typos \| rule \|", text)
    for told in (
        rows.digest,
        "human 640",
        "Learnt nothing about never",
        "drift of the price objection",
        "scikit-learn 1.",
    ):
        assert told in text


def test_feature_columns_are_those_of_the_feature_function(rows):
    assert set(FEATURES) <= set(rows.rows.columns)
