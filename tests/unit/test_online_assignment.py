"""The draw: fair, the same everywhere, independent between experiments, and still while nothing moves it."""

import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest
from scipy.stats import chi2_contingency, chisquare

from ml_pipeline.online.ids import conversation_uuid
from ml_pipeline.online.policy.assignment import Arm, Assignment, Eligibility, Experiment, assign

CONVERSATIONS = [conversation_uuid(f"conversation {number}") for number in range(20_000)]
ALPHA = 0.001
"""The ids are fixed and so is each p: a fair draw fails one such test in a thousand for good, not now and then."""


def experiment(*arms: tuple[str, float], **fields: Any) -> Experiment:
    known: dict[str, Any] = {
        "id": "e", "name": "greeting", "unit": "conversation", "salt": "e", "traffic": 1.0,
        "arms": tuple(Arm(*arm) for arm in arms), "eligibility": Eligibility(), "reason": "drawn",
    }  # fmt: skip
    return Experiment(**{**known, **fields})


def drawn(given: Experiment, about: dict[str, str] | None = None) -> dict[str, str]:
    """The arm of each conversation that takes part."""
    found = {each: assign(given, each, about or {}) for each in CONVERSATIONS}
    return {each: assignment.arm for each, assignment in found.items() if assignment}


@pytest.mark.parametrize(
    "weights", [(1, 1), (0.5, 0.3, 0.2), (90, 5, 5), (1, 1, 1, 1, 1, 1, 1), (1e-6, 1e-6), (0, 1, 3)]
)
def test_arms_come_in_the_shares_of_their_weights(weights):
    arms = [(f"arm {at}", weight) for at, weight in enumerate(weights)]

    counts = Counter(drawn(experiment(*arms)).values())

    shares = {name: weight / sum(weights) for name, weight in arms if weight}
    assert set(counts) == set(shares)
    observed, expected = zip(*((counts[name], share * 20_000) for name, share in shares.items()), strict=True)
    assert chisquare(observed, expected).pvalue > ALPHA


def test_a_release_moves_no_unit():
    arms = experiment(("plain", 1), ("warm", 1), ("brisk", 1))

    drawn_arms = [assign(arms, each, {}) for each in CONVERSATIONS[:12]]

    assert "".join(each.arm[0] for each in drawn_arms if each) == "pbwbbwbwwbpw"


def test_propensity_is_the_chance_the_arm_had():
    arms = experiment(("plain", 1), ("warm", 3), ("never", 0))

    found = [assign(arms, each, {}) for each in CONVERSATIONS[:100]]

    assert {(each.arm, each.propensity) for each in found if each} == {("plain", 0.25), ("warm", 0.75)}


def test_two_experiments_are_independent():
    first, second = (drawn(experiment(("a", 1), ("b", 1), ("c", 2), salt=salt)) for salt in ("e1", "e2"))

    table = Counter((first[each], second[each]) for each in CONVERSATIONS)

    assert chi2_contingency([[table[one, other] for other in "abc"] for one in "abc"]).pvalue > ALPHA


def test_experiments_of_one_salt_are_drawn_alike():
    assert drawn(experiment(("a", 1), ("b", 1), id="e1")) == drawn(experiment(("a", 1), ("b", 1), id="e2"))


def test_who_takes_part_says_nothing_of_the_arm_and_stays_when_the_share_grows():
    a_tenth, half = (drawn(experiment(("a", 1), ("b", 1), traffic=share)) for share in (0.1, 0.5))
    nobody = drawn(experiment(("a", 1), ("b", 1), traffic=0.0))

    assert a_tenth.items() <= half.items()
    assert nobody == {}
    assert chisquare([len(half), 20_000 - len(half)]).pvalue > ALPHA
    assert chisquare(list(Counter(a_tenth.values()).values())).pvalue > ALPHA


def test_an_arm_that_comes_takes_its_share_and_moves_nobody_between_the_others():
    two, three = drawn(experiment(("a", 1), ("b", 1))), drawn(experiment(("a", 1), ("b", 1), ("c", 1)))

    moved = Counter((two[each], three[each]) for each in CONVERSATIONS if two[each] != three[each])

    assert set(moved) == {("a", "c"), ("b", "c")}
    assert chisquare([moved.total(), 20_000 - moved.total()], [20_000 / 3, 20_000 * 2 / 3]).pvalue > ALPHA


def test_an_arm_that_goes_leaves_the_others_as_they_were():
    three, two = drawn(experiment(("a", 1), ("b", 1), ("c", 1))), drawn(experiment(("a", 1), ("c", 1)))

    assert all(two[each] == arm for each, arm in three.items() if arm != "b")


def test_a_weight_that_grows_only_draws_towards_its_arm():
    before, after = drawn(experiment(("a", 1), ("b", 1), ("c", 1))), drawn(experiment(("a", 1), ("b", 1.2), ("c", 1)))

    assert {after[each] for each in CONVERSATIONS if before[each] != after[each]} == {"b"}


def test_the_order_of_arms_and_the_scale_of_weights_do_not_matter():
    assert drawn(experiment(("a", 1), ("b", 3))) == drawn(experiment(("b", 300), ("a", 100)))


def test_every_process_draws_alike():
    program = (
        "import msgspec, sys; from ml_pipeline.online.policy.assignment import Experiment, assign;"
        "given, ids = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[Experiment, list[str]]);"
        "sys.stdout.buffer.write(msgspec.json.encode({each: assign(given, each, {}).arm for each in ids}))"
    )
    given = experiment(("a", 1), ("b", 2), ("c", 3))

    told = [
        subprocess.run(
            [sys.executable, "-c", program], input=msgspec.json.encode((given, CONVERSATIONS[:500])),
            env={"PYTHONHASHSEED": seed}, capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip

    mine = {each: arm for each, arm in drawn(given).items() if each in CONVERSATIONS[:500]}
    assert [msgspec.json.decode(each) for each in told] == [mine, mine]


def test_a_customer_has_one_arm_in_all_conversations_and_without_a_key_the_conversation_counts():
    given = experiment(("a", 1), ("b", 1), unit="customer")

    of_customer = {assign(given, each, {"customer_key": "k"}) for each in CONVERSATIONS[:50]}
    alone = [assign(given, each, {}) for each in CONVERSATIONS[:50]]
    by_conversation = [assign(msgspec.structs.replace(given, unit="conversation"), each, {"customer_key": "k"})
                       for each in CONVERSATIONS[:50]]  # fmt: skip

    (only,) = of_customer
    assert only == Assignment(only.arm if only else "", "customer", "k", 0.5)
    assert [each.unit for each in alone if each] == ["conversation"] * 50
    assert alone == by_conversation
    assert len({each.arm for each in alone if each}) == 2


@pytest.mark.parametrize(
    ("rule", "about", "takes_part"),
    [
        (Eligibility(), {}, True),
        (Eligibility(languages=("ES",)), {"language": "es"}, True),
        (Eligibility(languages=("es",)), {"language": "en"}, False),
        (Eligibility(languages=("es",)), {}, False),
        (Eligibility(languages=()), {"language": "es"}, False),
        (Eligibility(programs=("prime",), platforms=("web", "api")), {"program": "PRIME", "platform": "api"}, True),
        (Eligibility(programs=("prime",), platforms=("web",)), {"program": "PRIME", "platform": "api"}, False),
    ],
)
def test_a_conversation_must_be_in_every_list_that_is_given(rule, about, takes_part):
    assert (assign(experiment(("a", 1), ("b", 1), eligibility=rule), CONVERSATIONS[0], about) is not None) is takes_part


def test_arms_that_all_lost_their_weight_leave_the_control():
    assert set(drawn(experiment(("control", 0), ("warm", 0))).values()) == {"control"}
