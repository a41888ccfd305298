import json

import pytest

from benchmarks import claims
from benchmarks.percentiles import percentile


@pytest.mark.parametrize(
    ("make", "measured", "holds"),
    [
        (claims.at_most, [1.0, 2.0, 9.0], True),
        (claims.at_most, [1.0, 2.1, 2.2], False),
        (claims.at_least, [0.1, 2.0, 2.1], True),
        (claims.at_least, [1.0, 1.9, 9.0], False),
    ],
)
def test_the_median_run_decides_whether_a_claim_holds(make, measured, holds):
    claim = make("cost", measured, 2.0)

    assert claim.holds is holds
    assert (claim.spread, claim.runs) == ((min(measured), max(measured)), 3)


def test_a_figure_nobody_promised_neither_holds_nor_fails():
    claim = claims.told("cost", [3.0, 1.0, 2.0], "us")

    assert (claim.value, claim.bound, claim.holds) == (2.0, None, None)


def test_claims_are_kept_a_json_object_a_line_and_printed_as_they_come(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "bench")

    claims.write(
        "cost", [claims.at_most("a", [0.123456], 1.0, peers={"other_us": 12.3456}), claims.told("b", [1], "s")]
    )

    kept = (tmp_path / "bench" / "cost.jsonl").read_text()
    assert capsys.readouterr().out == kept
    first, second = map(json.loads, kept.splitlines())
    assert first == {
        "claim": "a", "value": 0.1235, "unit": "x", "bound": 1.0, "holds": True, "spread": [0.1235, 0.1235],
        "peers": {"other_us": 12.35}, "runs": 1,
    }  # fmt: skip
    assert second["claim"] == "b"


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.999, 100.0), (0.0, 1.0), (1.0, 100.0)])
def test_a_percentile_is_the_value_that_its_share_does_not_exceed(share, value):
    known = [float(number) for number in range(1, 101)]

    assert percentile(known, share) == value
