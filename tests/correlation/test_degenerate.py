"""Boundary and degenerate cases of every model: a correct fit with a flag, or an error that names the cure."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import cryptoequity as ce
from cryptoequity.correlation.fit import draw_shocks
from cryptoequity.kernels.dcc import dcc_simulate

N, T = 2, 900


def simulated(a=0.04, b=0.93, rho=0.5, nu=0.0, n=N, nobs=T, seed=0) -> pd.DataFrame:
    """Returns with constant volatilities of 1 and 2 percent."""
    rng = np.random.default_rng(seed)
    target = np.full((n, n), rho) + (1 - rho) * np.eye(n)
    z = dcc_simulate(a, b, target, draw_shocks(rng, nobs, n, nu), target)
    scale = 1.0 + np.arange(n) % 2
    return pd.DataFrame(z * scale, pd.bdate_range("2016-01-04", periods=nobs), list("ABCDEFGH"[:n]))


def driver(nobs=T, seed=1) -> pd.Series:
    x = np.cumsum(np.random.default_rng(seed).standard_normal(nobs)) / 20
    return pd.Series(np.sin(x), pd.bdate_range("2016-01-04", periods=nobs), name="x")


SPECS = {
    "CCC": ce.CCC(),
    "DCC": ce.DCC(),
    "DCC-t": ce.DCC(dist="t"),
    "DCC(2,1)": ce.DCC(p=2),
    "cDCC": ce.CDCC(),
    "ADCC": ce.ADCC(),
    "G-DCC": ce.AGDCC(asymmetric=False),
    "DECO": ce.DECO(),
    "score-driven": ce.ScoreDriven(),
    "STCC": ce.STCC(),
    "Berben-Jansen": ce.BerbenJansen(),
    "DCC-X": ce.DCCX(),
    "Fisher-X": ce.DCCX(form="fisher"),
    "MIDAS": ce.DCCMIDAS(),
    "copula": ce.CopulaDCC(),
}
COVARIANCE = {"EWMA": ce.EWMA(), "BEKK": ce.BEKK(), "O-GARCH": ce.OGARCH(), "GO-GARCH": ce.GOGARCH()}


def fit(spec, returns, **options):
    """The fit, and what was said."""
    if getattr(spec, "drivers", (0, 0))[0] > 0:
        options["driver"] = driver(len(returns)).set_axis(returns.index)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        out = spec.fit(returns, **options)
    return out, " | ".join(str(one.message) for one in said)


def sound(out) -> None:
    """Finite likelihood, correlations inside, and an error for every parameter that has no flag."""
    assert np.isfinite(out.loglikelihood)
    path = out.correlations().to_numpy()
    assert np.isfinite(path).all()
    assert (np.abs(path) <= 1).all()
    named = set(out.std_err.index[out.std_err.isna()])
    assert named <= set(out.at_bound), named - set(out.at_bound)


@pytest.mark.parametrize("name", SPECS)
def test_a_constant_correlation_is_found_or_flagged(name):
    """No dynamics at all: news near zero, or on its bound and said so; the path hardly moves."""
    out, said = fit(SPECS[name], simulated(a=0.0, b=0.0, rho=0.5, seed=3))
    sound(out)
    path = out.correlation("A", "B")
    assert abs(path.mean() - 0.5) < 0.08
    assert path.std() < 0.13
    if out.at_bound:
        assert "bound" in said or "not identified" in said


@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("CCC", "STCC", "Berben-Jansen")])
def test_persistence_next_to_one(name):
    out, _ = fit(SPECS[name], simulated(a=0.02, b=0.9799, seed=5))
    sound(out)


@pytest.mark.parametrize("spec", [ce.CCC(dist="t"), ce.DCC(dist="t"), ce.CDCC(dist="t"), ce.ADCC(dist="t")], ids=str)
def test_normal_errors_send_nu_to_its_bound_or_high(spec):
    out, _ = fit(spec, simulated(nu=0.0, seed=8))
    sound(out)
    nu = out.params.iloc[-1]
    assert nu > 20
    assert np.isnan(out.std_err.iloc[-1]) == (nu >= 500 - 1e-6)


def test_an_abrupt_transition_is_a_flagged_bound():
    """The correlation jumps with the sign of x: gamma has no finite estimate, and the levels are right."""
    x = driver(2000, seed=4)
    rng = np.random.default_rng(6)
    high = (x.to_numpy() > 0.0).astype(float)
    rho = 0.1 + 0.6 * high
    u = rng.standard_normal((2000, 2))
    z = np.stack([u[:, 0], rho * u[:, 0] + np.sqrt(1 - rho**2) * u[:, 1]], axis=1)
    returns = pd.DataFrame(z, x.index, ["A", "B"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        out = ce.STCC().fit(returns, driver=x)
    sound(out)
    assert abs(out.params["stcc.r1.A.B"] - 0.1) < 0.1
    assert abs(out.params["stcc.r2.A.B"] - 0.7) < 0.1
    assert out.params["stcc.gamma"] > 20
    if "stcc.gamma" in out.at_bound:
        assert any("stcc.gamma" in str(one.message) for one in said)


def test_more_columns_than_dates_names_the_cure():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2020-01-01", periods=260)
    returns = pd.DataFrame(rng.standard_normal((260, 270)), index).add_prefix("A")
    margins = quiet_margins(returns)
    with pytest.raises(ce.DataError, match=r"270 columns and 260 observations.*target="):
        ce.DCC().fit(margins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = ce.DCC().fit(margins, target="nonlinear", method="composite")
    assert 0 <= out.params["dcc.a"] < 0.2


def quiet_margins(returns):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ce.fit_margins(returns)


@pytest.mark.parametrize("name", [*SPECS, *COVARIANCE])
def test_an_asset_that_does_not_move_is_refused_by_name(name):
    returns = simulated()
    returns["B"] = 0.0
    with pytest.raises(ce.DataError, match="'B'"):
        fit({**SPECS, **COVARIANCE}[name], returns)


@pytest.mark.parametrize("name", [*SPECS, "BEKK"])
def test_a_duplicate_is_refused_by_name(name):
    returns = simulated()
    returns["B"] = returns["A"] * 2.0
    with pytest.raises(ce.DataError, match=r"'A'.*'B'"):
        fit({**SPECS, **COVARIANCE}[name], returns)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("copula",)])
def test_a_near_duplicate_is_fitted(name):
    rng = np.random.default_rng(2)
    returns = simulated()
    returns["B"] = returns["A"] * 2.0 + 0.05 * rng.standard_normal(T)
    out, _ = fit(SPECS[name], returns)
    assert np.isfinite(out.loglikelihood)
    assert (out.correlation("A", "B") > 0.9).all()


@pytest.mark.parametrize("name", SPECS)
def test_one_day_of_a_thousand_standard_deviations(name):
    returns = simulated(nu=0.0, seed=11)
    returns.iloc[400, 0] = 1000.0
    if name == "copula":  # its margins are normal: the day has no probability left to transform
        with pytest.raises(ce.DataError, match=r"'A': the residual .* fit it with dist='t'"):
            fit(SPECS[name], returns)
        return
    out, _ = fit(SPECS[name], returns)
    assert np.isfinite(out.loglikelihood)
    path = out.correlations().to_numpy()
    assert np.isfinite(path).all()
    assert (np.abs(path) <= 1).all()
    assert np.isfinite(out.params).all()


@pytest.mark.parametrize("name", [*SPECS, *COVARIANCE])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(name, scale):
    """Returns in other units: refused in words where they cannot be percent returns, else the same correlations."""
    returns = simulated(seed=13)
    spec = {**SPECS, **COVARIANCE}[name]
    here, _ = fit(spec, returns)
    if scale < 1:
        with pytest.raises(ce.DataError, match="looks like decimal returns"):
            fit(spec, returns * scale)
        return
    there, _ = fit(spec, returns * scale)
    assert np.abs(there.correlations().to_numpy() - here.correlations().to_numpy()).max() < 5e-3
