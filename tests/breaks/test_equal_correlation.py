"""Equal correlations in two periods: both statistics written out, their laws, what a date means, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cryptoequity.breaks.equal_correlation import (
    equal_correlation_test,
    jennrich_statistic,
    jennrich_test,
    wald_statistic,
)
from cryptoequity.errors import CryptoEquityWarning, DataError, SpecError
from cryptoequity.estimation.long_run import LongRun
from cryptoequity.volatility import fit_margins

IID = LongRun("bartlett", 0.0)


def draw(nobs: int, n: int, rho: float, rng, nu: float = 0.0) -> np.ndarray:
    u = rng.standard_normal((nobs, n))
    if nu:
        u *= np.sqrt((nu - 2) / rng.chisquare(nu, nobs))[:, None]
    return u @ np.linalg.cholesky(np.full((n, n), rho) + (1 - rho) * np.eye(n)).T


@pytest.mark.parametrize("transform", ["fisher", "none"])
def test_statistic_of_a_pair_written_out(transform):
    rng = np.random.default_rng(1)
    parts = draw(200, 2, 0.2, rng, 6.0), draw(300, 2, 0.5, rng, 6.0)
    top, below = 0.0, 0.0
    for sign, z in zip((-1, 1), parts, strict=True):
        x, y = ((z - z.mean(axis=0)) / z.std(axis=0)).T
        rho = np.mean(x * y)
        psi = x * y - rho / 2 * (x**2 + y**2)
        lags = int(np.log(len(z)))
        variance = np.mean(psi**2)
        for k in range(1, lags):
            variance += 2 * (1 - k / lags) * np.sum(psi[k:] * psi[:-k]) / len(z)
        slope = 1 / (1 - rho**2) if transform == "fisher" else 1.0
        top += sign * (np.arctanh(rho) if transform == "fisher" else rho)
        below += slope**2 * variance / len(z)
    test = equal_correlation_test(*parts, filter=None, transform=transform)
    assert test.detail["z"] == pytest.approx(top / np.sqrt(below), rel=1e-10)
    assert test.statistic == pytest.approx(test.detail["z"] ** 2, rel=1e-10)
    assert test.pvalue == pytest.approx(2 * stats.norm.sf(abs(test.detail["z"])), rel=1e-8)
    assert test.position is None
    assert test.nobs == 500


def test_under_normality_the_variance_is_the_textbooks():
    rng = np.random.default_rng(2)
    parts = draw(20_000, 2, 0.6, rng), draw(20_000, 2, 0.6, rng)
    _, one, two, z = wald_statistic(*parts, IID, "fisher")
    textbook = (np.arctanh(two) - np.arctanh(one)) / np.sqrt(2 / 20_000)
    assert z[0] == pytest.approx(textbook[0], rel=0.05)


@pytest.mark.parametrize(("n", "nu"), [(2, 0.0), (2, 5.0), (3, 0.0)])
def test_size(n, nu):
    rng = np.random.default_rng(3)
    pvalues = []
    for _ in range(400):
        statistic = wald_statistic(draw(400, n, 0.4, rng, nu), draw(300, n, 0.4, rng, nu), IID, "fisher")[0]
        pvalues.append(stats.chi2.sf(statistic, n * (n - 1) // 2))
    assert 0.02 < np.mean(np.array(pvalues) <= 0.05) < 0.09


def test_jennrich_written_out_for_two_columns():
    """For two columns his statistic is n (r1 - r2)^2 / (4 (1 - r^2)^2)-like: here with c = n1 n2 / (n1 + n2)."""
    r1, r2, n1, n2 = 0.2, 0.5, 120, 200
    matrices = [np.array([[1.0, r], [r, 1.0]]) for r in (r1, r2)]
    r = (n1 * r1 + n2 * r2) / (n1 + n2)
    c = n1 * n2 / (n1 + n2)
    # the score of a correlation: (1 + r^2) / (1 - r^2)^2 less what the variances take of it
    z = np.sqrt(c) * np.linalg.inv([[1, r], [r, 1]]) @ (matrices[0] - matrices[1])
    inverse = np.linalg.inv([[1, r], [r, 1]])
    s = np.eye(2) + np.array([[1, r], [r, 1]]) * inverse
    wanted = 0.5 * np.trace(z @ z) - np.diag(z) @ np.linalg.inv(s) @ np.diag(z)
    assert jennrich_statistic(*matrices, (n1, n2)) == pytest.approx(wanted)
    assert wanted == pytest.approx(c * (r1 - r2) ** 2 / (1 - r**2) ** 2, rel=1e-10)
    assert jennrich_statistic(matrices[0], matrices[0], (n1, n2)) == 0.0


def test_jennrich_holds_its_size_with_normal_columns_and_not_with_t():
    rng = np.random.default_rng(4)
    levels = []
    for nu in (0.0, 5.0):
        rejected = 0
        for _ in range(300):
            matrices = [np.corrcoef(draw(300, 3, 0.4, rng, nu).T) for _ in range(2)]
            rejected += stats.chi2.sf(jennrich_statistic(*matrices, (300, 300)), 3) <= 0.05
        levels.append(rejected / 300)
    assert levels[0] < 0.09
    assert levels[1] > 0.14


def test_jennrich_warns_of_fat_tails_alone():
    rng = np.random.default_rng(5)
    z = draw(600, 2, 0.3, rng)
    assert jennrich_test(z[:300], z[300:], filter=None).reference == "chi2(1)"
    heavy = draw(600, 2, 0.3, rng, 4.0)
    with pytest.warns(CryptoEquityWarning, match="has kurtosis"):
        test = jennrich_test(heavy[:300], heavy[300:], filter=None)
    assert test.detail["largest kurtosis"] > 3.5
    assert "jennrich1970" in test.cite()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100.0), st.floats(-10.0, 10.0))
def test_units_order_of_columns_and_of_periods_do_not_matter(seed, scale, shift):
    rng = np.random.default_rng(seed)
    one, two = draw(80, 3, 0.3, rng), draw(120, 3, 0.5, rng)
    base = wald_statistic(one, two, None, "fisher")[0]
    assert wald_statistic(two, one, None, "fisher")[0] == pytest.approx(base, rel=1e-8)
    moved = scale * one[:, [2, 0, 1]] + shift
    assert wald_statistic(moved, two[:, [2, 0, 1]], None, "fisher")[0] == pytest.approx(base, rel=1e-6)
    matrices = [np.corrcoef(part.T) for part in (one, two)]
    assert jennrich_statistic(*matrices, (80, 120)) == pytest.approx(
        jennrich_statistic(*matrices[::-1], (120, 80)), rel=1e-8
    )


@pytest.fixture(scope="module")
def returns():
    rng = np.random.default_rng(6)
    z = np.concatenate([draw(250, 2, 0.1, rng), draw(250, 2, 0.6, rng)])
    return pd.DataFrame(z, pd.bdate_range("2020-01-01", periods=500), ["A", "B"])


def test_a_date_is_the_first_observation_of_the_second_period(returns):
    date = returns.index[250]
    test = equal_correlation_test(returns, date=date, filter=None)
    assert (test.position, test.break_date, test.last_date) == (250, date, returns.index[249])
    halves = equal_correlation_test(returns.iloc[:250], returns.iloc[250:], filter=None)
    assert halves.statistic == test.statistic
    assert test.pvalue < 1e-4
    # a day without a row means the next one
    weekend = returns.index[returns.index.weekday == 0][40] - pd.Timedelta(days=1)
    later = equal_correlation_test(returns, date=str(weekend.date()), filter=None)
    assert later.break_date == weekend + pd.Timedelta(days=1)
    by_row = equal_correlation_test(returns.to_numpy(), date=250, filter=None)
    assert by_row.statistic == test.statistic
    zoned = equal_correlation_test(returns.tz_localize("UTC"), date=date, filter=None)
    assert zoned.position == 250
    assert jennrich_test(returns, date=date, filter=None).position == 250


@pytest.mark.filterwarnings("ignore::cryptoequity.errors.BoundaryWarning")
def test_drawn_from_a_dcc(returns):
    margins = fit_margins(returns)
    date = returns.index[250]
    one, two = (equal_correlation_test(margins, date=date, pvalue="dcc", draws=39, rng=2) for _ in range(2))
    assert one.pvalue == two.pvalue
    assert one.statistic == equal_correlation_test(margins, date=date).statistic
    assert "DCC(1,1)" in one.reference
    assert "do not step" in one.null


def test_several_columns():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(np.concatenate([draw(300, 4, 0.2, rng), draw(300, 4, 0.5, rng)]), columns=list("ABCD"))
    test = equal_correlation_test(frame, date=300, filter=None)
    assert test.reference == "chi2(6)"
    assert test.detail["z"]["A", "D"] > 0
    assert test.detail["after"].mean() == pytest.approx(0.5, abs=0.1)
    assert "chi2(6)" in str(test.summary())
    assert test.to_dict()["position"] == 300
    part = equal_correlation_test(frame, date=300, columns=["D", "B"], filter=None)
    assert part.reference == "chi2(1)"


def test_refusals(returns):
    z = returns.to_numpy()
    with pytest.raises(SpecError, match="two samples, or one sample and date="):
        equal_correlation_test(returns, filter=None)
    with pytest.raises(SpecError, match="two samples, or one sample and date="):
        jennrich_test(returns, returns, date=3, filter=None)
    with pytest.raises(DataError, match="leaves 10 and 490"):
        equal_correlation_test(z, date=10, filter=None)
    with pytest.raises(DataError, match="different columns"):
        equal_correlation_test(returns, returns.rename(columns={"B": "C"}), filter=None)
    with pytest.raises(SpecError, match="cannot be compared"):
        equal_correlation_test(returns, date="not a day", filter=None)
    with pytest.raises(SpecError, match="pass the whole sample"):
        equal_correlation_test(z[:250], z[250:], filter=None, pvalue="dcc")
    with pytest.raises(SpecError, match="draws returns from fitted margins"):
        equal_correlation_test(z, date=250, filter=None, pvalue="dcc")
    with pytest.raises(SpecError, match="transform='z'"):
        equal_correlation_test(z, date=250, filter=None, transform="z")
    with pytest.raises(DataError, match="20 rows are too few"):
        equal_correlation_test(z[:20], z[20:], filter=None)
    with pytest.raises(DataError, match="missing or infinite"):
        equal_correlation_test(np.where(np.arange(500)[:, None] == 9, np.nan, z), date=250, filter=None)
    with pytest.raises(DataError, match="perfectly collinear"):
        jennrich_test(z[:, [0, 0]], date=250, filter=None)
    twice = z[:, [0, 1, 1]]
    with pytest.raises(DataError, match="singular"):
        wald_statistic(twice[:250], twice[250:], None, "none")
