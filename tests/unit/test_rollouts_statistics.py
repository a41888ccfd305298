"""What the tests of a rollout promise: whatever the rate does, and however often one looks."""

import json

import numpy as np
import pytest

from benchmarks.rollout_floor import LOOKS_A_DAY, WINDOW_DAYS, Floor, always, make_calls, rollout
from ml_pipeline.models.history.evidence import in_words
from ml_pipeline.models.rollouts.confidence import radius
from ml_pipeline.models.rollouts.draw import log_evidence, with_later_starts
from ml_pipeline.models.rollouts.evidence import Differences, Evidence, Faults, Pulse, Scored, Shifts, Started
from ml_pipeline.models.rollouts.quality import judge_quality
from ml_pipeline.models.rollouts.rules import Rules
from ml_pipeline.models.rollouts.sales import harm_path, judge_sales, noninferiority_path, superiority_path
from ml_pipeline.models.rollouts.sentinels import SHIFT_FLOOR, judge_sentinels, shift_path
from ml_pipeline.models.rollouts.verdict import judge
from ml_pipeline.vocabulary.rollouts import Step

RULES = Rules(steps=(Step(0.05, 100), Step(0.5, 100)))


def conversations(seed, count=6_000, *, share=0.05, ratio=1.0, rate=0.11):
    chance = np.random.default_rng(seed)
    shares = np.broadcast_to(share, count).astype(float)
    is_challenger = chance.random(count) < shares
    return Started(is_challenger, shares, chance.random(count) < rate * np.where(is_challenger, ratio, 1.0))


def scored(seed=0, count=2_000, *, loss=0.0, each=1):
    chance = np.random.default_rng(seed)
    extra = np.repeat(loss + 0.1 * chance.standard_normal(count), each)
    return Scored(np.repeat(np.arange(count), each), np.ones(count * each), 0.3 + extra, np.full(count * each, 0.3))


def faults(challenger, champion, chance):
    return Faults(np.array([challenger]), np.array([champion]), np.array([chance]))


def evidence(phase="canary", step=0, **parts):
    return Evidence(phase, step, calls=parts.pop("calls", 5_000), **parts)


def test_a_bet_on_the_draw_neither_gains_nor_loses_in_expectation():
    chance, ratio = 0.05, 0.7
    of_challenger, of_champion = (
        np.exp(log_evidence(ours, 1 - ours, np.array([chance]), null=1.0, alternatives={ratio: 1.0})[0])
        for ours in (np.ones(1), np.zeros(1))
    )

    assert chance * of_challenger + (1 - chance) * of_champion == pytest.approx(1)


def test_an_equal_challenger_is_rarely_stopped_though_every_conversation_is_a_look():
    stopped = [judge_sales(conversations(seed), RULES).is_harmful for seed in range(400)]

    assert np.mean(stopped) <= RULES.sales_alpha + 2 * np.sqrt(RULES.sales_alpha / 400)


def test_rates_of_days_that_differ_stop_nobody():
    days = np.random.default_rng(1).gamma(2, 0.055, (300, 30)).clip(0, 1)
    stopped = [
        judge_sales(conversations(seed, rate=np.repeat(days[seed], 200)), RULES).is_harmful for seed in range(300)
    ]

    assert np.mean(stopped) <= RULES.sales_alpha + 2 * np.sqrt(RULES.sales_alpha / 300)


def test_a_rate_that_doubles_as_the_share_grows_proves_nothing():
    """Pooled over the steps the challenger would have 1.3 times the champion's sales: Simpson's paradox."""
    share, rate = np.repeat([0.05, 0.5], 3_000), np.repeat([0.08, 0.16], 3_000)
    found = [judge_sales(conversations(seed, share=share, rate=rate), RULES) for seed in range(300)]
    pooled = conversations(0, share=share, rate=rate)

    assert pooled.is_sold[pooled.is_challenger].mean() > 1.2 * pooled.is_sold[~pooled.is_challenger].mean()
    assert np.mean([finding.is_superior for finding in found]) <= 0.02
    assert np.mean([finding.is_harmful for finding in found]) <= 0.05


def test_half_the_sales_are_seen_within_a_thousand_conversations_of_the_challenger():
    stopped = [judge_sales(conversations(seed, count=20_000, ratio=0.5), RULES).is_harmful for seed in range(50)]

    assert np.mean(stopped) > 0.95


def test_sales_worse_by_the_margin_are_rarely_taken_for_not_inferior():
    passed = [
        (noninferiority_path(conversations(seed, ratio=0.85, share=0.25), 0.15) >= -np.log(0.025)).any()
        for seed in range(400)
    ]

    assert np.mean(passed) <= 0.025 + 2 * np.sqrt(0.025 / 400)


def test_a_harm_that_begins_late_is_not_outweighed_by_the_good_months_before():
    count = 40_000
    rate_ratio = np.where(np.arange(count) < count / 2, 1.2, 0.5)
    late = conversations(3, count, ratio=rate_ratio)
    from_the_start = log_evidence(
        (late.is_sold & late.is_challenger).astype(float),
        (late.is_sold & ~late.is_challenger).astype(float),
        late.share,
        null=1.0,
        alternatives={0.7: 1.0},
    )

    assert harm_path(late)[-1] > -np.log(RULES.sales_alpha) > from_the_start[-1]


def test_stakes_on_later_beginnings_add_up_to_one():
    nothing_learnt = with_later_starts(np.zeros(500), np.ones(500))

    assert nothing_learnt == pytest.approx(np.zeros(500))


@pytest.mark.parametrize(
    "started",
    [
        Started(),
        conversations(0, rate=0.0),
        conversations(0, rate=1.0),
        conversations(0, share=0.0),
        conversations(0, share=1.0),
        conversations(0, count=1),
    ],
)
def test_sales_without_anything_to_compare_decide_nothing(started):
    finding = judge_sales(started, RULES)

    assert (finding.is_harmful, finding.is_noninferior, finding.is_superior) == (False, False, False) or (
        started.is_sold.all() and not finding.is_harmful
    )
    json.dumps(finding.numbers, allow_nan=False)


def test_sales_told_in_the_reverse_order_are_the_same_evidence_in_the_end():
    told = conversations(5, ratio=0.8)
    reverse = Started(told.is_challenger[::-1], told.share[::-1], told.is_sold[::-1])

    assert superiority_path(reverse)[-1] == pytest.approx(superiority_path(told)[-1])
    assert noninferiority_path(reverse, 0.15)[-1] == pytest.approx(noninferiority_path(told, 0.15)[-1])


def test_ten_times_the_errors_stop_within_three_hundred_conversations_of_the_challenger():
    errors = faults(15, 28, 0.05)

    (found, *_) = judge_sentinels("canary", Pulse(errors=errors), RULES)

    assert found.is_harmful
    assert found.value == pytest.approx(15 * 0.95 / (28 * 0.05))


def test_an_outage_that_hits_both_versions_alike_stops_neither():
    (found, *_) = judge_sentinels("canary", Pulse(errors=faults(50, 950, 0.05)), RULES)

    assert not found.is_harmful


def test_a_few_more_faults_are_no_harm_however_sure_they_are():
    (found, *_) = judge_sentinels("canary", Pulse(errors=faults(7_100, 4_900, 0.5)), RULES)

    assert found.evidence > found.needed
    assert not found.is_harmful


def differences(by, calls, sd=0.1, sd_of_difference=0.045):
    """Scores that lie ``by`` standard deviations above the champion's."""
    return Differences(
        np.array([calls]),
        np.array([calls * by * sd]),
        np.array([calls * ((by * sd) ** 2 + sd_of_difference**2)]),
        np.array([calls * 0.2]),
        np.array([calls * (0.04 + sd**2)]),
    )


def shifts(in_shadow, since=None, *, before=500, calls=300):
    return Shifts(differences(in_shadow, before), Differences() if since is None else differences(since, calls))


def shift_found(phase, *arguments, **named):
    *_, found = judge_sentinels(phase, Pulse(shifts={"sold": shifts(*arguments, **named)}), RULES)
    return found


@pytest.mark.parametrize(("in_shadow", "since", "is_harmful"), [
    (0.0, 0.5, True), (0.0, -0.5, True), (0.0, 0.1, False), (0.5, 0.5, False), (-2.0, -2.1, False), (0.5, 0.0, True),
])  # fmt: skip
def test_scores_that_move_between_shadow_and_canary_are_harm_wherever_they_lay(in_shadow, since, is_harmful):
    found = shift_found("canary", in_shadow, since)

    assert found.is_harmful is is_harmful
    assert found.value == pytest.approx(since - in_shadow)


@pytest.mark.parametrize(
    ("phase", "in_shadow", "since", "told"), [("shadow", 3.0, None, 3.0), ("holdback", 1.0, 3.0, 2.0)]
)
def test_in_shadow_and_holdback_a_shift_is_told_and_no_harm(phase, in_shadow, since, told):
    verdict = judge(evidence(phase, pulse=Pulse(shifts={"sold": shifts(in_shadow, since)})), RULES)

    assert verdict.act == "stay"
    assert verdict.numbers["sentinels"][-1]["value"] == pytest.approx(told)


def test_what_breaks_on_the_way_to_serving_is_taken_back():
    verdict = judge(evidence(scored=scored(), pulse=Pulse(shifts={"sold": shifts(0.8, 0.2)})), RULES)

    assert verdict.act == "take_back"
    assert verdict.reason == "shift of sold: its scores moved -0.60 standard deviations since the shadow"


@pytest.mark.parametrize(("before", "calls"), [(99, 5_000), (5_000, 99), (0, 5_000)])
def test_scores_of_too_few_conversations_say_nothing(before, calls):
    assert not shift_found("canary", 0.0, 3.0, before=before, calls=calls).is_harmful


def test_a_shadow_of_few_conversations_makes_less_certain_where_the_scores_lay():
    short, long = (shift_found("canary", 0.0, 0.5, before=before).evidence for before in (100, 10_000))

    assert short < SHIFT_FLOOR < long


def test_what_the_shadow_did_not_know_of_its_own_mean_stops_nobody():
    """A shadow of a hundred errs as much as the canary does; its error alone crosses the bound of one mean."""
    alpha, stopped = 0.05, []
    for seed in range(400):
        difference = np.random.default_rng(seed).standard_normal(2_100)
        theirs = np.tile([-1.0, 1.0], 1_050)
        path = shift_path(Shifts(*(
            Differences(np.ones(len(each), dtype=int), each, each**2, of, of**2)
            for each, of in ((difference[:100], theirs[:100]), (difference[100:], theirs[100:]))
        )), alpha)  # fmt: skip
        stopped.append((path > 0).any())

    assert np.mean(stopped) <= alpha + 2 * np.sqrt(alpha / 400)


def test_a_bound_holds_at_every_look():
    walks = np.random.default_rng(0).standard_normal((1_000, 5_000)).cumsum(axis=1)
    seen = np.arange(1, 5_001, dtype=float)

    crossed = (walks / seen > radius(seen, np.ones(5_000), 0.05))[:, 100:].any(axis=1)

    assert crossed.mean() <= 0.05


def test_rows_of_one_customer_are_one_observation():
    few = judge_quality(scored(count=199, loss=0.2, each=50), RULES)

    assert (few.clusters, few.is_harmful, few.is_noninferior) == (199, False, False)


def test_a_surely_higher_loss_is_harm_and_a_surely_small_one_is_not_inferior():
    worse, same = judge_quality(scored(loss=0.02), RULES), judge_quality(scored(), RULES)

    assert (worse.is_harmful, worse.is_noninferior) == (True, False)
    assert (same.is_harmful, same.is_noninferior) == (False, True)


def test_what_few_heard_of_the_challenger_weighs_as_much_as_what_many_heard_of_the_champion():
    is_challenger = np.arange(2_000) % 20 == 0
    weight, loss = np.where(is_challenger, 20.0, 1 / 0.95), np.where(is_challenger, 0.1, 0.0)

    found = judge_quality(Scored(np.arange(2_000), weight, loss, np.zeros(2_000)), RULES)

    assert found.loss == pytest.approx((0.1 + 0.0) / 2)


def test_an_equal_model_is_rarely_called_worse_though_weights_differ_twentyfold():
    stopped = []
    for seed in range(300):
        rows = scored(seed)
        acted = np.random.default_rng(seed + 1_000).random(2_000) < 0.05
        weighted = Scored(rows.cluster, np.where(acted, 20.0, 1 / 0.95), rows.ours, rows.theirs)
        stopped.append(judge_quality(weighted, RULES).is_harmful)

    assert np.mean(stopped) <= RULES.quality_alpha + 2 * np.sqrt(RULES.quality_alpha / 300)


def test_time_alone_advances_nothing():
    verdict = judge(evidence(scored=scored(), calls=10**9), RULES)

    assert verdict.act == "stay"
    assert "0 matured conversations" in verdict.reason


def test_conversations_of_an_earlier_step_mature_no_later_one():
    started = conversations(0, 20_150, share=np.repeat([0.05, 0.5], [20_000, 150]))

    verdict = judge(evidence(step=1, started=started, scored=scored()), RULES)

    matured = int(started.is_challenger[20_000:].sum())
    assert (verdict.act, verdict.numbers["matured"]) == ("stay", matured)
    assert f"{matured} matured conversations of the challenger at this step where 100 are needed" in verdict.reason


def test_a_shadow_that_is_as_good_goes_on_to_the_first_step():
    assert judge(evidence("shadow", scored=scored()), RULES).act == "advance"
    assert judge(evidence("shadow"), RULES).act == "stay"


def test_the_last_step_ends_in_promotion_and_claims_more_sales_only_if_proven():
    equal = conversations(0, count=40_000, share=0.5)
    better = conversations(0, count=40_000, share=0.5, ratio=1.3)

    plain, superior = (judge(evidence(step=1, started=told, scored=scored()), RULES) for told in (equal, better))

    assert (plain.act, plain.numbers["is_superior"]) == ("promote", False)
    assert (superior.act, superior.numbers["is_superior"]) == ("promote", True)
    assert "it surely sells more" in superior.reason


@pytest.mark.parametrize(
    ("phase", "under"),
    [("shadow", "the champion alone"), ("canary", "the serving mix"), ("holdback", "the serving mix")],
)
def test_a_verdict_tells_under_whom_its_outcomes_arose(phase, under):
    assert judge(evidence(phase), RULES).numbers["outcomes_arose_under"].startswith(under)


def test_harm_goes_before_every_advance():
    harmful = Pulse(errors=faults(100, 10, 0.5))
    better = conversations(0, count=20_000, share=0.5, ratio=1.3)

    verdict = judge(evidence(step=1, started=better, scored=scored(), pulse=harmful), RULES)

    assert verdict.act == "take_back"
    assert "errors: 10.00 times as many" in verdict.reason


def test_a_holdback_stays_until_harm_is_shown():
    decayed = conversations(0, count=20_000, share=0.95, ratio=0.6)

    assert judge(evidence("holdback", started=conversations(0, share=0.95)), RULES).act == "stay"
    assert judge(evidence("holdback", started=decayed), RULES).act == "take_back"


@pytest.mark.parametrize(("ratio", "act"), [(0.5, "take_back"), (1.2, "advance")])
def test_a_simulated_step_ends_at_the_look_at_which_the_watch_would_end_it(ratio, act):
    floor = Floor(20_000, ratio=always(ratio), loss=-0.003, days=60)
    calls = make_calls(floor, np.random.default_rng(2))
    course = rollout(calls, Rules(), in_shadow=False)
    ended_at = course.reached[1] if act == "advance" else course.at

    found = [judge(first_step(calls, at), Rules()).act for at in (ended_at - 1 / LOOKS_A_DAY, ended_at)]

    assert found == ["stay", act]


def first_step(calls, at):
    of_age = calls.day + WINDOW_DAYS <= at
    is_challenger = calls.draw < 0.05
    is_sold = calls.luck < calls.chance * np.where(is_challenger, calls.ratio, 1.0)
    count = int(of_age.sum())
    weight = 1 / np.where(is_challenger, 0.05, 0.95)[of_age]
    return evidence(
        started=Started(is_challenger[of_age], np.full(count, 0.05), is_sold[of_age]),
        scored=Scored(np.arange(count), weight, calls.extra_loss[of_age], np.zeros(count)),
    )


def test_a_verdict_can_be_kept_as_json():
    verdict = judge(
        evidence(started=conversations(1), scored=scored(), pulse=Pulse(shifts={"sold": shifts(0, 0)})), RULES
    )

    assert json.loads(json.dumps(verdict.numbers, allow_nan=False))["sales"]["strata"][0]["share"] == 0.05


def test_what_a_move_rests_on_is_told_in_words_by_share():
    share = np.repeat([0.05, 0.5], 3_000)
    verdict = judge(evidence(started=conversations(1, share=share), scored=scored(), pulse=Pulse()), RULES)

    told = dict(line.split(": ", 1) for line in in_words("rollout", {"trained_from": "2026-01-01", **verdict.numbers}))

    assert list(told)[2:4] == ["sold at a share of 5%", "sold at a share of 50%"]
    assert told["sales"].endswith("that it sells more is not proven")
    assert told["log loss"].endswith("of 2,000 customers")
    assert told["sentinels"] == "errors nothing; fallbacks nothing; slow nothing"
    assert list(in_words("rollout", {"trained_from": "2026-01-01"})) == []
