"""Six harms put into the simulated floor on purpose: which guard catches each, how late, and what it cost by then.

Calls of the floor (``ml_pipeline.simulation``) are told once, at the customer's fifth turn; candidates are trained on
some, judged by the gate on others, and meet live traffic drawn from a third part, sold by the chance the floor knows.
What an answer does to a sale is assumed: the agent closes where the score is above the usual median; closing with
somebody unlikely to buy, or leaving somebody likely, costs ``MISJUDGED`` of the chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from benchmarks.claims import Claim, told
from benchmarks.rollout_floor import LOOKS_A_DAY, MONTH_DAYS, WINDOW_DAYS, Floor, always, make_calls, rollout
from ml_pipeline.models.candidates.columns import columns_of
from ml_pipeline.models.candidates.fit import answers, fit
from ml_pipeline.models.candidates.recipe import LinearRecipe
from ml_pipeline.models.gate import Answers, GateRules, Judgement, judge
from ml_pipeline.models.rollouts.evidence import Differences, Evidence, Numbers, Pulse, Scored, Shifts, Started
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.sales import harm_path
from ml_pipeline.models.rollouts.verdict import Verdict
from ml_pipeline.models.rollouts.verdict import judge as look
from ml_pipeline.models.training_set import TrainingSet
from ml_pipeline.online.predicting.features import feature_row
from ml_pipeline.settings import Settings
from ml_pipeline.simulation.floor import simulated_floor
from ml_pipeline.vocabulary.dialogue import Dialogue
from ml_pipeline.vocabulary.tasks import CONVERSION

CALLS, RUNS, SEED = 5_000, 20, 20
FIRST, TRAIN, CALIBRATION, GATE = 700, 2_200, 700, 1_200
"""Calls that taught the champion, and that teach and judge the candidate; the rest are live."""
TURN = 5
RECIPE = LinearRecipe(1.0, None, 5)
CALLS_A_MONTH = 20_000
CALLS_A_DAY = CALLS_A_MONTH / MONTH_DAYS
MISJUDGED = 0.3
SHADOW_DAYS = 14
SHADOW_TAKES, CANARY_DAYS = 7.5, 21
"""Days that a healthy candidate is in shadow, in the median; and that one is looked at that breaks after it."""
NUMBERS = ("turn", "current_words", "customer_words", "agent_words", "current_questions")
RULES = Rules()
DECAY_DAYS, DECAYED_TO = 60, 0.5


@dataclass(frozen=True)
class Told:
    """Calls at one turn; ``chance``: of a sale, as the floor knows it."""

    rows: pd.DataFrame
    sold: np.ndarray
    chance: Numbers

    def part(self, begin: int, end: int | None = None) -> "Told":
        return Told(self.rows.iloc[begin:end].reset_index(drop=True), self.sold[begin:end], self.chance[begin:end])

    def as_set(self) -> TrainingSet:
        return TrainingSet(CONVERSION, self.rows, self.sold[:, None])


@dataclass(frozen=True)
class Caught:
    """``guard``: what said no; ``calls``: conversations looked at, ``days``: since the rollout began, until then."""

    guard: str
    calls: float
    days: float
    lost_sales: float


def claims() -> Iterator[Claim]:
    """Detection is the median of the runs; what nobody caught is told as guard "nobody"."""
    floor = _told_floor()
    champion = _trained(floor.part(0, FIRST), floor)
    taught, judged, live = _parts(floor)
    flipped = np.random.default_rng(SEED).random(len(taught.sold)) < 0.3
    label_flip = _trained(Told(taught.rows, taught.sold ^ flipped, taught.chance), floor)
    healthy, leaking = _trained(taught, floor), _trained(_leaked(taught), floor, _leaked)
    yield from _model_claims("healthy candidate", champion, healthy, judged, live, live)
    yield from _model_claims("label flip: 30 % of the labels it learnt from", champion, label_flip, judged, live, live)
    yield from _model_claims(
        "leak: a count that knew the sale, offline alone", champion, leaking, _leaked(judged), live, live
    )
    yield from _model_claims(
        "broken feature: no text reaches it in serving", champion, healthy, judged, live, _broken(live)
    )
    yield from _breaking_claims(champion, healthy, live)
    yield from _effect_claims()


def _told_floor() -> Told:
    floor = simulated_floor(SEED, CALLS)
    rows, sold, chance = [], [], []
    for dialogue in floor.source.dialogues:
        turns = [turn for turn, said in enumerate(dialogue.messages) if said.role == "user"]
        turn = turns[min(TURN, len(turns)) - 1]
        rows.append(_row(dialogue, turn))
        sold.append(floor.sold[dialogue.conversation_id])
        chance.append(floor.truth[dialogue.conversation_id, turn].sale)
    return Told(pd.DataFrame(rows), np.array(sold), np.array(chance))


def _row(dialogue: Dialogue, turn: int) -> dict[str, object]:
    spoken = [(said.role, said.content) for said in dialogue.messages[: turn + 1]]
    context = {"phase": dialogue.phases[turn], "program": dialogue.context["program_type"],
               "platform": dialogue.context["platform"], "language": dialogue.context.get("language", "")}  # fmt: skip
    named = {"conversation_id": dialogue.conversation_id, "customer_group": dialogue.conversation_id, "weight": 1.0}
    return named | feature_row(spoken, context)


def _parts(floor: Told) -> tuple[Told, Told, Told]:
    """Return what teaches the candidate, what judges it, what is live."""
    taught = TRAIN + CALIBRATION
    return floor.part(0, TRAIN), floor.part(taught, taught + GATE), floor.part(taught + GATE)


def _trained(taught: Told, floor: Told, told_as=lambda told: told) -> Pipeline:
    calibration = told_as(floor.part(TRAIN, TRAIN + CALIBRATION))
    return fit(taught.as_set(), calibration.as_set(), RECIPE, columns_of(CONVERSION)["linear"])


def _leaked(told: Told) -> Told:
    """Return the calls with a count that says how they ended."""
    return Told(told.rows.assign(current_questions=10.0 * told.sold), told.sold, told.chance)


def _broken(told: Told) -> Told:
    return Told(told.rows.assign(current="", previous="", history=""), told.sold, told.chance)


def _model_claims(
    name: str, champion: Pipeline, candidate: Pipeline, judged: Told, live: Told, served: Told
) -> Iterator[Claim]:
    """``served``: the live calls as the candidate sees them when it runs."""
    theirs, ours = answers(champion, live.rows)[:, 0], answers(candidate, served.rows)[:, 0]
    lost = live.chance * (_served(theirs, live.chance) - _served(ours, live.chance))
    a_month = CALLS_A_MONTH * float(lost.mean())
    verdict = _gate(champion, candidate, judged)
    if verdict.verdict != "PROMOTE":
        caught = [Caught("gate", 0, 0, 0)]
    else:
        caught = [_in_shadow(ours, theirs, live, np.random.default_rng([SEED, run])) for run in range(RUNS)]
    yield from _caught_claims(name, caught, a_month)


def _gate(champion: Pipeline, candidate: Pipeline, judged: Told) -> Judgement:
    settings = Settings()
    rules = GateRules("log_loss", settings.gate_error_budget / settings.gate_budget_gates)
    given = Answers("candidate", answers(candidate, judged.rows))
    return judge(
        judged.as_set().block(), given, opponents=[Answers("champion", answers(champion, judged.rows))], rules=rules
    )


def _served(score: Numbers, chance: Numbers) -> Numbers:
    """Return what becomes of a sale's chance, as a factor, where an agent acts on ``score``."""
    is_closed, should_be = score >= np.median(chance), chance >= np.median(chance)
    return np.where(is_closed == should_be, 1.0, 1 - MISJUDGED)


def _in_shadow(ours: Numbers, theirs: Numbers, live: Told, random: np.random.Generator) -> Caught:
    """Play shadow with live traffic, a look an hour, until a verdict."""
    count = random.poisson(CALLS_A_DAY * SHADOW_DAYS)
    day = np.sort(random.uniform(0, SHADOW_DAYS, count))
    drawn = random.integers(len(ours), size=count)
    is_sold = random.random(count) < live.chance[drawn]
    for at in np.arange(1, (SHADOW_DAYS + WINDOW_DAYS) * 24) / 24:
        verdict = look(_shadow_evidence(ours[drawn], theirs[drawn], is_sold, day, at), RULES)
        if verdict.act != "stay":
            guard = "nobody" if verdict.act == "advance" else _guard(verdict)
            return Caught(guard, float((day <= at).sum()), float(at), 0.0)
    return Caught("shadow, kept there", float(count), SHADOW_DAYS + WINDOW_DAYS, 0.0)


def _guard(verdict: Verdict) -> str:
    return (
        "sentinel"
        if verdict.reason.startswith(("shift", "errors", "slow", "fallbacks"))
        else f"{verdict.numbers['phase']} quality"
    )


def _shadow_evidence(ours: Numbers, theirs: Numbers, is_sold: np.ndarray, day: Numbers, at: float) -> Evidence:
    begun, of_age = day <= at, day <= at - WINDOW_DAYS
    loss = [_log_loss(score, is_sold)[of_age] for score in (ours, theirs)]
    shifts = Shifts(_differences(ours[begun], theirs[begun], day[begun]))
    scored = Scored(np.arange(of_age.sum()), np.ones(of_age.sum()), *loss)
    return Evidence("shadow", 0, int(begun.sum()), scored=scored, pulse=Pulse(shifts={"sold": shifts}))


def _differences(ours: Numbers, theirs: Numbers, day: Numbers) -> Differences:
    hour, difference = (day * 24).astype(int), ours - theirs
    sums = (np.bincount(hour, values) for values in (difference, difference**2, theirs, theirs**2))
    return Differences(np.bincount(hour), *sums)


def _breaking_claims(champion: Pipeline, candidate: Pipeline, live: Told) -> Iterator[Claim]:
    """Columns that reach the model in shadow and not once it is shown."""
    theirs, whole = (answers(model, live.rows)[:, 0] for model in (champion, candidate))
    for name, served in (("text", _broken(live)), ("number", _without_numbers(live))):
        broken = answers(candidate, served.rows)[:, 0]
        lost = live.chance * (_served(theirs, live.chance) - _served(broken, live.chance))
        caught = [_in_canary(whole, broken, theirs, live, np.random.default_rng([SEED, run])) for run in range(RUNS)]
        a_month = CALLS_A_MONTH * float(lost.mean())
        yield from _caught_claims(f"broken on the way: no {name} reaches it from the canary on", caught, a_month)


def _without_numbers(told: Told) -> Told:
    return Told(told.rows.assign(**dict.fromkeys(NUMBERS, 0.0)), told.sold, told.chance)


def _in_canary(whole: Numbers, broken: Numbers, theirs: Numbers, live: Told, random: np.random.Generator) -> Caught:
    """Play the first step of a canary, a look an hour, after a shadow in which all was well; day 0 is its first."""
    day = np.sort(
        random.uniform(-SHADOW_TAKES, CANARY_DAYS, random.poisson(CALLS_A_DAY * (SHADOW_TAKES + CANARY_DAYS)))
    )
    drawn, share = random.integers(len(theirs), size=len(day)), RULES.steps[0].share
    is_shown, is_ours = day >= 0, (day >= 0) & (random.random(len(day)) < share)
    ours, weight = np.where(is_shown, broken[drawn], whole[drawn]), 1 / np.where(is_ours, share, 1 - share * is_shown)
    chance, theirs = live.chance[drawn], theirs[drawn]
    is_sold = random.random(len(day)) < chance
    lost = chance * (_served(theirs, chance) - _served(ours, chance))
    for at in np.arange(1, CANARY_DAYS * 24 + 1) / 24:
        since, of_age = is_shown & (day <= at), day <= at - WINDOW_DAYS
        shifts = Shifts(
            _differences(ours[~is_shown], theirs[~is_shown], day[~is_shown] + SHADOW_TAKES),
            _differences(ours[since], theirs[since], day[since]),
        )
        scored = Scored(np.arange(of_age.sum()), weight[of_age], *(
            _log_loss(score, is_sold)[of_age] for score in (ours, theirs)
        ))  # fmt: skip
        verdict = look(Evidence("canary", scored=scored, pulse=Pulse(shifts={"sold": shifts})), RULES)
        if verdict.act == "take_back":
            return Caught(_guard(verdict), float(since.sum()), float(at), float(lost[is_ours & since].sum()))
    return Caught("nobody", float(is_shown.sum()), CANARY_DAYS, float(lost[is_ours].sum()))


def _log_loss(score: Numbers, is_sold: np.ndarray) -> Numbers:
    return np.asarray(-np.log(np.where(is_sold, score, 1 - score)))


def _effect_claims() -> Iterator[Claim]:
    """Harm that no answer shows: it sells less though it predicts as well."""
    floor = Floor(CALLS_A_MONTH, ratio=always(0.5), days=75)
    caught = []
    for run in range(RUNS):
        course = rollout(make_calls(floor, np.random.default_rng([SEED, run])), RULES)
        guard = "canary sales" if course.ended == "taken back" else "nobody"
        caught.append(Caught(guard, course.served, course.at - course.reached[0], 0.11 * 0.5 * course.served))
    yield from _caught_claims("harmful challenger: half the sales, equal answers", caught, 0.11 * 0.5 * CALLS_A_MONTH)
    for days in (14, 90):
        caught = [_held_back(np.random.default_rng([SEED, run]), days) for run in range(RUNS)]
        name = f"slow regression: sales fall by half in {DECAY_DAYS} days after promotion, holdback of {days} days"
        yield from _caught_claims(name, caught, 0.11 * (1 - DECAYED_TO) * CALLS_A_MONTH)


def _held_back(random: np.random.Generator, holdback_days: int) -> Caught:
    """Play a holdback of 5 % of the calls against the former champion, after a canary that showed no harm."""
    floor = Floor(
        CALLS_A_MONTH, ratio=lambda day: 1 - (1 - DECAYED_TO) * np.minimum(day / DECAY_DAYS, 1), days=holdback_days
    )
    calls = make_calls(floor, random)
    is_ours = calls.draw < 0.95
    is_sold = calls.luck < calls.chance * np.where(is_ours, calls.ratio, 1.0)
    path = harm_path(Started(is_ours, np.full(len(is_ours), 0.95), is_sold))
    place = np.flatnonzero(path >= -np.log(RULES.sales_alpha))
    at = np.ceil((calls.day[place[0]] + WINDOW_DAYS) * LOOKS_A_DAY) / LOOKS_A_DAY if len(place) else np.inf
    served = is_ours & (calls.day < at)
    lost = float((calls.chance * (1 - calls.ratio))[served].sum())
    return Caught("holdback" if at < np.inf else "nobody", float(served.sum()), min(float(at), holdback_days), lost)


def _caught_claims(name: str, caught: list[Caught], a_month: float) -> Iterator[Claim]:
    guards = {f"by_{guard.replace(' ', '_')}_percent": 100 * float(np.mean([one.guard == guard for one in caught]))
              for guard in dict.fromkeys(one.guard for one in caught)}  # fmt: skip
    peers = guards | {
        "calls": float(np.median([one.calls for one in caught])),
        "lost_sales": float(np.median([one.lost_sales for one in caught])),
        "lost_sales_in_a_month_as_champion": a_month,
    }
    yield told(f"injected, {name}", [one.days for one in caught], "days to detection", peers)
