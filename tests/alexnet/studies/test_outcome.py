"""studies/outcome.py: means, spreads, differences, and what is said of them."""

import pytest
from scipy import stats

from alexnet.studies import outcome
from alexnet.studies.claims import CLAIMS, Arm, Claim
from alexnet.studies.outcome import Trial

CLAIM = Claim(
    "More is more.",
    "a source",
    "",
    "validation error",
    (Arm("less"), Arm("more", "", 1, "+2 points"), Arm("other")),
)


def trials(arm, *values, reached=True):
    return [
        Trial(arm, seed, value, reached, [value], [value], [2.0], 1, 60.0)
        for seed, value in enumerate(values)
    ]


def verdicts(*found):
    return {each.arm: each.verdict for each in outcome.differences(CLAIM, sum(found, []))}


def test_a_difference_above_the_spread_is_seen_and_the_other_way_is_the_opposite():
    assert verdicts(trials("less", 20, 20.2, 19.9), trials("more", 22, 22.3, 21.8)) == {
        "more": "seen"
    }
    assert verdicts(trials("less", 20, 20.2, 19.9), trials("more", 18, 18.3, 17.8)) == {
        "more": "opposite"
    }


def test_a_difference_within_the_spread_is_not_seen():
    assert verdicts(trials("less", 18, 20, 22), trials("more", 19, 21, 23)) == {
        "more": "within the spread"
    }


def test_an_arm_without_a_claimed_order_confirms_nothing():
    found = verdicts(trials("less", 20, 20.2), trials("other", 30, 30.2))
    assert found == {"other": "no order claimed"}


def test_one_seed_says_nothing():
    assert verdicts(trials("less", 20), trials("more", 40)) == {"more": "too few seeds"}
    assert verdicts(trials("less", 20, 21), trials("more", 40)) == {"more": "too few seeds"}


def test_without_the_first_arm_nothing_is_compared():
    assert outcome.differences(CLAIM, trials("more", 1, 2)) == []
    assert outcome.sentences(CLAIM, trials("more", 1, 2)) == []


def test_p_is_welchs():
    a, b = [1.0, 2.0, 4.0], [3.0, 3.5, 7.0, 9.0]
    # variances 7 / 3 and 24.6875 / 3; degrees of freedom of Welch and Satterthwaite
    va, vb = 7 / 3 / 3, 24.6875 / 3 / 4
    t = (7 / 3 - 5.625) / (va + vb) ** 0.5
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 3)
    assert outcome.welch(a, b) == pytest.approx(2 * stats.t.sf(abs(t), freedom))


def test_equal_numbers_have_no_p_and_two_repeated_numbers_differ():
    assert outcome.welch([2.0, 2.0], [2.0, 2.0]) is None
    assert outcome.welch([2.0, 2.0], [3.0, 3.0]) == 0.0
    assert outcome.welch([2.0], [3.0, 4.0]) is None
    assert verdicts(trials("less", 2, 2), trials("more", 2, 2)) == {"more": "within the spread"}


def test_numbers_are_written_with_their_spread_and_their_bound():
    assert outcome.number_text(trials("a", 20, 22), "%") == "21.00 ± 1.41 %"
    assert outcome.number_text(trials("a", 20), "%") == "20.00 %"
    late = trials("a", 30, 30, reached=False)
    assert outcome.number_text(late, "epochs") == "over 30.0 epochs"


def test_a_sentence_has_both_numbers_and_the_difference():
    (line,) = outcome.sentences(
        CLAIM, [*trials("less", 20, 20.2, 19.9), *trials("more", 22, 22.3, 21.8)]
    )
    start = "The claimed direction was seen: validation error: more 22.03 ± 0.25 %, less "
    assert line.startswith(start)
    assert "(+2.00 points, published +2 points; seeds: 3 and 3; p = " in line


def test_epochs_are_compared_as_times():
    claim = CLAIMS["relu-vs-tanh"]
    found = outcome.differences(claim, [*trials("relu", 4, 5), *trials("tanh", 26, 28)])
    assert outcome.how_much(found[0], "epochs") == "6 times the epochs"
    found = outcome.differences(claim, [*trials("relu", 0, 0), *trials("tanh", 26, 28)])
    assert outcome.how_much(found[0], "steps") == "+27 steps"


def test_a_target_that_one_arm_missed_bounds_the_difference():
    claim = CLAIMS["relu-vs-tanh"]
    fast, slow = trials("relu", 4, 5), trials("tanh", 16, 16, reached=False)
    (found,) = outcome.differences(claim, [*fast, *slow])
    assert (
        found.verdict == "seen" and outcome.how_much(found, "epochs") == "over 3.6 times the epochs"
    )
    fast, slow = trials("relu", 16, 16, reached=False), trials("tanh", 4, 5)
    (found,) = outcome.differences(claim, [*fast, *slow])
    assert found.verdict == "opposite" and found.bound == "under"
    both = [*trials("relu", 12, 12, reached=False), *trials("tanh", 16, 16, reached=False)]
    assert outcome.differences(claim, both)[0].verdict == "not reached"


def test_the_json_holds_every_trial_in_the_order_of_seeds():
    own = trials("less", 20, 21)
    saved = outcome.as_json(CLAIM, own[::-1])
    assert [each["seed"] for each in saved["arms"][0]["trials"]] == [0, 1]
    assert [arm["name"] for arm in saved["arms"]] == ["less", "more", "other"]
