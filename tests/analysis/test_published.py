import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patentlab.analysis.published import beside_published, read_published, recompute, recomputed, tanh_interval
from patentlab.analysis.quantities import Evidence
from patentlab.config import config_folder
from patentlab.statistics.correlation_difference import compare_independent
from tests.analysis.known_matrix import known_matrix


def test_paper_a_recomputed():
    # Yousefiramandi and Cooney 2026: r = .95 and -.73, z = 6.47, and [.96, 1.00] as an interval on their difference
    found = recompute(0.95, -0.73, 6.47)
    assert (found.n, found.agrees) == (14, (14,))
    assert (found.printed_low, found.printed_high) == pytest.approx((0.958, 0.998), abs=5e-4)
    assert (found.zou.low, found.zou.high) == pytest.approx((1.262, 1.862), abs=5e-4)
    row = recomputed(read_published(config_folder() / "published")).to_dict("records")[0]
    assert (row["n"], round(row["z"], 2)) == (14, row["z_printed"])
    assert (round(row["tanh_low"], 2), round(row["tanh_high"], 2)) == (row["printed_low"], row["printed_high"])


@given(st.floats(0.2, 0.9), st.floats(-0.9, 0.0), st.integers(5, 60))
def test_n_is_found_again_from_its_z(r_1: float, r_2: float, n: int):
    z = compare_independent(r_1, n, r_2, n).z
    found = recompute(r_1, r_2, z, decimals=6)
    assert found.n == n and n in found.agrees
    low, high = tanh_interval(r_1, n, r_2, n)
    assert -1 <= low < high <= 1  # where a difference of correlations can lie beyond


def test_a_z_with_few_digits_leaves_several_n():
    assert len(recompute(0.5, 0.3, round(compare_independent(0.5, 400, 0.3, 400).z, 2)).agrees) > 1


def test_numbers_of_ours_stand_beside_the_published_ones_where_a_matrix_has_them():
    papers = read_published(config_folder() / "published")
    alone = beside_published(papers, None)
    assert set(alone["sentence"]) == {"not measured"} and alone["ours"].isna().all()
    assert set(alone["paper"]) == {"A", "B", "C", "D"}
    evidence = Evidence(known_matrix(seeds=4, shares=(0.3,)))
    table = beside_published(papers, evidence).set_index("what").to_dict("index")
    row = table["controlled gain in micro-F1, scarcest regime"]
    gains = evidence.pairs.table
    own = gains[(gains["contrast"] == "controlled_gain") & (gains["regime"] == "1:100")]
    assert row["ours"] == pytest.approx(own.groupby("seed")["gain.f1_micro"].mean().mean())
    assert (row["printed"], row["of"]) == (0.024, "regime scarcest, model minilm, adapter frozen, mix 0.3")
    best = table["best share of real documents at a fixed budget"]
    assert np.isnan(best["ours"])
    assert best["sentence"] == "not measured: needs at least 3 different shares, has 1"
