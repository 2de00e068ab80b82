"""The model of a data-parallel step, and the plan of what each scheme sends."""

import math

import pytest

from alexnet.network.plan import plan
from alexnet.network.specs import find_spec
from benchmarks.figures import parallel_model, parallel_plan
from benchmarks.figures.parallel_model import Model, held_against
from benchmarks.figures.parallel_plan import SCHEMES, Worker, bytes_of, counts_of, step_seconds
from tinynet.parallel.traffic import sent_bytes

TRUE = Model(
    fixed=0.05, per_image=0.03, per_byte=3e-9, serial=0.3, overlapped=0.2, latency=0.01, frames=1.05
)  # fmt: skip
PARAMETERS = 15_000_000


def point(ranks, batch, gbit, model=TRUE):
    """A measured point, as the model says."""
    sent = sent_bytes("all_reduce", 4 * PARAMETERS, ranks)
    made = {"ranks": ranks, "processors": min(ranks, 2), "batch_size": batch, "gbit": gbit,
            "formula_bytes": sent, "frame_bytes": 1.05 * sent if ranks > 1 else None,
            "latency": model.latency if ranks > 1 else None}  # fmt: skip
    return made | {"seconds": {"median": model.seconds(made)}}


def points(model=TRUE):
    links = {1: [None], 2: [10, 2, 0.5], 4: [10, 2, 0.5]}
    batches = 16, 32, 64
    return [point(n, batch, gbit, model) for batch in batches for n in links for gbit in links[n]]


# --- the model ------------------------------------------------------------------------------------


def test_a_step_is_the_sum_of_its_parts():
    two, four = point(2, 16, 1), point(4, 16, 10)
    # 8 images: 0.05 + 0.24; 60 MB in frames of 63: 0.504 s, and 0.3 of the 0.18 s that handling
    # takes, of which 0.2 x 0.29 are hidden.
    assert TRUE.seconds(two) == pytest.approx(0.29 + 0.504 + 0.054 - 0.058 + 2 * 0.01)
    # Two ranks share a processor; handling of 90 MB takes longer than the fast link.
    assert TRUE.seconds(four) == pytest.approx(2 * 0.17 + 2 * 0.27 + 6 * 0.01)


def test_the_parameters_behind_points_are_found():
    held = held_against(points())
    found = held["parameters"]
    for name, value in found.items():
        assert value == pytest.approx(getattr(TRUE, name), rel=0.02), name
    assert held["largest_error"] < 0.01
    assert "within the 15%" in parallel_model.words(held)


def test_points_of_more_ranks_and_middle_links_are_not_fitted():
    rows = points()
    fitted = [p for p in held_against(rows)["points"] if p["fitted"]]
    ends = {(2, batch, gbit) for batch in (16, 64) for gbit in (10, 0.5)}
    alone = {(1, batch, None) for batch in (16, 32, 64)}
    assert {(p["ranks"], p["batch_size"], p["gbit"]) for p in fitted} == ends | alone
    # A machine on which four ranks take twice as long as the model says is seen.
    for row in rows:
        row["seconds"] = {"median": row["seconds"]["median"] * (2 if row["ranks"] == 4 else 1)}
    held = held_against(rows)
    assert held["largest_error"] == pytest.approx(0.5, abs=0.02)
    assert "not within" in parallel_model.words(held)


def test_too_few_points_have_no_model():
    assert held_against(points()[:3]) is None
    ends = [p for p in points() if p["ranks"] <= 2 and p["gbit"] != 2 and p["batch_size"] != 32]
    assert held_against(ends) is None
    with pytest.raises(ValueError, match="3 points; 5 or more"):
        parallel_model.fit(points()[:3])


# --- the plan -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counts():
    return counts_of(plan(find_spec("paper"), 1000, 227))


def test_counts_are_those_of_the_paper(counts):
    assert counts.convolutions + counts.dense == 60_965_224  # docs/facts.md, section 2
    assert counts.dense == 37_752_832 + 16_781_312 + 4_097_000
    assert (counts.last_maps, counts.units) == (256 * 6 * 6, 4096 + 4096 + 1000)
    # conv3 reads the maps of both towers, conv4 and conv5 of their own.
    assert counts.across == 256 * 13 * 13 + 256 * 6 * 6 + 4096 + 4096
    assert counts.dense_share == pytest.approx(58_621_952 / 724_406_816)
    assert (counts.dense_layers, counts.layers_across) == (3, 4)


def test_bytes_of_each_scheme(counts):
    assert bytes_of("data parallel", counts, 4, 128) == {"gradients": 1.5 * 4 * 60_965_224}
    # Each tower sends its half for all 256 images, forward and backward.
    assert bytes_of("towers", counts, 2, 128) == {"units": 2 * 4 * 256 * counts.across / 2}
    trick = bytes_of("one weird trick (b)", counts, 4, 128)
    assert trick["gradients"] == 1.5 * 4 * 2_334_080
    assert trick["last_maps"] == 2 * 3 * 4 * 128 * 9216
    assert trick["units"] == 2 * 3 * 4 * 128 * 9192
    with pytest.raises(ValueError, match="2 ranks, not on 3"):
        bytes_of("towers", counts, 3, 128)


@pytest.mark.parametrize("scheme, ranks", [("towers", [2]), ("one weird trick (a)", [2, 8, 64])])
def test_the_even_batch_sends_as_much_as_data_parallel(scheme, ranks, counts):
    even = parallel_plan.even_batches(counts)[scheme.removesuffix(" (a)")]
    for n in ranks:
        sent = sum(bytes_of(scheme, counts, n, even / n).values())
        other = sum(bytes_of("data parallel", counts, n, even / n).values())
        assert sent == pytest.approx(other)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_fast_link_costs_nothing_and_a_slow_one_its_transfer(scheme, counts):
    worker, n = Worker(per_image=0.001), 2
    computing = 128 * 0.001
    assert step_seconds(scheme, counts, n, 128, worker, 1e9) == pytest.approx(computing, rel=1e-3)
    sent = sum(bytes_of(scheme, counts, n, 128).values())
    transfer = 8 * sent / 1e6
    if scheme.endswith("(b)"):  # one link sends at a time
        transfer += 8 * bytes_of(scheme, counts, n, 128)["last_maps"] / 1e6
    slow = step_seconds(scheme, counts, n, 128, worker, 1e-3)
    assert slow == pytest.approx(computing + transfer, rel=1e-3)
    assert step_seconds(scheme, counts, 1, 128, worker, 1e-3) == computing


def test_one_weird_tricks_parts_hide_behind_the_dense_layers(counts):
    # Computing is so slow that all parts but the first hide.
    worker, n, gbit = Worker(per_image=10.0), 8, 1
    sent = bytes_of("one weird trick (a)", counts, n, 128)
    shown = {
        scheme: step_seconds(f"one weird trick ({scheme})", counts, n, 128, worker, gbit) - 1280
        for scheme in "abc"
    }
    whole = 8 * sent["last_maps"] / 1e9
    assert shown["a"] - shown["c"] == pytest.approx(whole * (n - 1) / n)
    assert shown["b"] == pytest.approx(shown["a"])


def test_overlapped_computing_hides_gradients_and_handling_does_not_hide(counts):
    hides = Worker(per_image=1.0, overlapped=0.9)
    assert parallel_plan.efficiency("data parallel", counts, 8, 128, hides, 1) == 1
    handles = Worker(per_image=1.0, fixed=2.0, per_byte=1e-6, overlapped=0.9)
    sent = bytes_of("data parallel", counts, 8, 128)["gradients"]
    share = parallel_plan.efficiency("data parallel", counts, 8, 128, handles, math.inf)
    assert share == pytest.approx(130 / (130 + 1e-6 * sent))


def test_messages_of_each_scheme_take_their_latency(counts):
    messages = {scheme: parallel_plan.messages_of(scheme, counts, 2, 8) for scheme in SCHEMES}
    assert messages == {
        "data parallel": 2, "towers": 8,
        "one weird trick (a)": 2 * (2 + 3), "one weird trick (b)": 2 * (2 + 2 * 3),
        "one weird trick (c)": 2 * (2 + 2 * 3),
    }  # fmt: skip
    assert parallel_plan.messages_of("data parallel", counts, 8, 8) == 14
    # 3 images of each rank make 3 passes.
    assert parallel_plan.messages_of("one weird trick (c)", counts, 8, 3) == 14 * (2 + 3 * 3)
    for scheme, number in messages.items():
        seconds = [
            step_seconds(scheme, counts, 2, 8, Worker(per_image=1.0, latency=latency), math.inf)
            for latency in (0.0, 0.5)
        ]
        assert seconds[1] - seconds[0] == pytest.approx(0.5 * number)
