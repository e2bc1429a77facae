r"""Targets of correlation targeting: the sample moment, its shrunken forms, or a matrix that is given.

A recursion that is pulled towards :math:`\bar R` needs a positive definite :math:`\bar R`. The sample second moment
is one when T is well above N; its eigenvalues are spread too widely by an amount that depends on N/T, and
beyond N = T the smallest are zero. Shrinkage pulls them together.

All functions read standardized residuals, whose mean is zero by construction: moments are not demeaned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, check_option
from ..estimation.params import Array
from ..estimation.results import citation
from .model import second_moment_target

__all__ = [
    "CorrelationTarget",
    "correlation_target",
    "given_target",
    "linear_target",
    "nonlinear_eigenvalues",
    "nonlinear_target",
    "sample_target",
]

METHODS = ("sample", "identity", "constant", "nonlinear")
# a correlation matrix whose smallest eigenvalue is below this cannot be inverted to useful accuracy
SMALLEST = 1e-10
# the kernel of Ledoit & Wolf reaches sqrt(5) bandwidths T^(-1/3) to either side; below 12 that is past zero
FEWEST = 12


@dataclass(frozen=True, eq=False)
class CorrelationTarget:
    """A correlation matrix, and how it was come by.

    Attributes
    ----------
    correlation : (N, N) positive definite, unit diagonal. method : "sample", "identity", "constant", "nonlinear" or
        "given". weight : of the matrix shrunk towards, between 0 and 1; NaN where there is none.
    note : a sentence for the reader. names : column names, where known.
    """

    correlation: Array = field(repr=False)
    method: str
    weight: float
    note: str
    names: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return the matrix, labelled by column where names are known."""
        labels: list[str] | range = list(self.names) if self.names else range(self.correlation.shape[0])
        return pd.DataFrame(self.correlation, labels, labels)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {**asdict(self), "correlation": self.correlation.tolist(), "names": list(self.names)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CorrelationTarget:
        """Rebuild from `to_dict`."""
        return cls(**{**content, "correlation": np.array(content["correlation"]), "names": tuple(content["names"])})

    def cite(self) -> str:
        """BibTeX of the method; "" for the sample moment and for a matrix that was given."""
        keys = {"identity": "ledoitwolf2004", "constant": "ledoitwolf2004b", "nonlinear": "ledoitwolf2020"}
        return citation(keys[self.method]) if self.method in keys else ""


def correlation_target(
    z: Array | pd.DataFrame,
    method: str | Array | pd.DataFrame = "sample",
) -> CorrelationTarget:
    """Target of residuals ``z`` by the method's name, or the matrix itself.

    Parameters
    ----------
    z : (T, N) standardized residuals; a frame brings the names.
    method : "sample", "identity" and "constant" (`linear_target`), "nonlinear", or an (N, N) matrix.

    Raises
    ------
    SpecError : the method is not known. DataError : see the function of the method.
    """
    values, names = _residuals(z)
    if not isinstance(method, str):
        return given_target(method, names or values.shape[1])
    check_option("method", method, METHODS)
    if method == "sample":
        return sample_target(z)
    if method == "nonlinear":
        return nonlinear_target(z)
    return linear_target(z, toward=method)


def sample_target(z: Array | pd.DataFrame) -> CorrelationTarget:
    """Uncentred second moment of ``z`` (T, N) scaled to unit diagonal.

    Raises
    ------
    DataError : the moment is singular, always so when N > T.
    """
    values, names = _residuals(z)
    nobs, n = values.shape
    matrix = second_moment_target(values)[0]
    if n > nobs:
        raise DataError(
            f"{n} columns and {nobs} observations: the sample correlation has rank {nobs} at most and cannot be a "
            "target; shrink it (method='nonlinear' or 'identity')."
        )
    _check_definite(matrix, names, "the sample correlation", "drop one of the columns, or shrink it")
    return CorrelationTarget(matrix, "sample", math.nan, f"sample second moment, N/T = {n / nobs:.3g}", names)


def linear_target(z: Array | pd.DataFrame, *, toward: str = "identity") -> CorrelationTarget:
    r"""Linear shrinkage :math:`\delta F+(1-\delta)S` of the sample correlation S.

    S is the uncentred second moment :math:`\frac1T\sum_t w_tw_t'` of :math:`w_{it}=z_{it}/\sqrt{M_{ii}}`, so it
    and every mixture have unit diagonal. ``toward="identity"`` is Ledoit & Wolf (2004, Journal of Multivariate
    Analysis),

    .. math:: \delta=\min\Bigl\{1,\ \frac{\frac1{T^2}\sum_t\|w_tw_t'-S\|^2}{\|S-I\|^2}\Bigr\},

    ``toward="constant"`` is Ledoit & Wolf (2004, Journal of Portfolio Management; in circulation since 2003): F has
    the mean correlation :math:`\bar r` everywhere off the diagonal and
    :math:`\delta=\min\{1,\max\{0,(\hat\pi-\hat\rho)/(T\hat\gamma)\}\}`, where :math:`\hat\pi` sums the asymptotic
    variances of S, :math:`\hat\rho` their covariances with F and :math:`\hat\gamma=\|F-S\|^2`. Norms are Frobenius.
    The scaling by :math:`M_{ii}` is taken as known in both weights.

    Parameters
    ----------
    z : (T, N) standardized residuals. toward : "identity" or "constant".

    Raises
    ------
    DataError : a column without variation; with "constant", a mean correlation of at most -1/(N-1) or a
        weight of zero on more columns than observations, neither of which leaves a definite matrix.
    """
    check_option("toward", toward, ("identity", "constant"))
    values, names = _residuals(z)
    nobs, n = values.shape
    sample = second_moment_target(values)[0]
    w = values / np.sqrt(np.mean(values**2, axis=0))
    squares = w**2
    # asymptotic variance of every entry of S, without its cross products: E w_i^2 w_j^2 - s_ij^2
    variance = squares.T @ squares / nobs - sample**2
    if toward == "identity":
        goal = np.eye(n)
        noise = float(variance.sum()) / nobs
        extra = ""
    else:
        off = ~np.eye(n, dtype=bool)
        mean = float(sample[off].mean())
        goal = np.where(off, mean, 1.0)
        # cov(s_ii, s_ij) for unit variances: E w_i^3 w_j - s_ij (s_ii = 1)
        third = (w**3).T @ w / nobs - sample
        # f_ij = mean * sqrt(s_ii s_jj) moves with s_ii and s_jj; the diagonals of the two matrices agree
        joint = float(np.trace(variance)) + 0.5 * mean * float((third + third.T)[off].sum())
        noise = (float(variance.sum()) - joint) / nobs
        extra = f" of {mean:.3f}"
    distance = float(((sample - goal) ** 2).sum())
    weight = min(1.0, max(0.0, noise / distance)) if distance > 0.0 else 0.0
    matrix = weight * goal + (1.0 - weight) * sample
    np.fill_diagonal(matrix, 1.0)
    cure = "drop one of the columns, or use method='nonlinear'"
    _check_definite(matrix, names, f"the correlation shrunk by {weight:.3g} towards {toward}", cure)
    what = "identity" if toward == "identity" else f"a constant correlation{extra}"
    return CorrelationTarget(matrix, toward, weight, f"shrunk by {weight:.3f} towards {what}", names)


def nonlinear_target(z: Array | pd.DataFrame) -> CorrelationTarget:
    """Analytical nonlinear shrinkage of the sample correlation (Ledoit & Wolf 2020), scaled to unit diagonal.

    Eigenvectors of the sample correlation are kept and every eigenvalue gets a shrinkage of its own, see
    `nonlinear_eigenvalues`; N may exceed T.

    Parameters
    ----------
    z : (T, N) standardized residuals.

    Raises
    ------
    DataError : fewer than 12 observations, or collinear columns beyond what N > T explains.
    """
    values, names = _residuals(z)
    nobs, n = values.shape
    sample = second_moment_target(values)[0]
    eigenvalues, vectors = np.linalg.eigh(sample)
    shrunk = nonlinear_eigenvalues(eigenvalues, nobs)
    covariance = (vectors * shrunk) @ vectors.T
    root = np.sqrt(np.diag(covariance))
    matrix = covariance / np.outer(root, root)
    matrix = 0.5 * (matrix + matrix.T)
    np.fill_diagonal(matrix, 1.0)
    _check_definite(matrix, names, "the shrunken correlation", "drop one of the columns")
    note = (
        f"nonlinear shrinkage, N/T = {n / nobs:.3g}: eigenvalues from {eigenvalues[0]:.3g}…{eigenvalues[-1]:.3g} to "
        f"{shrunk.min():.3g}…{shrunk.max():.3g}"
    )
    return CorrelationTarget(matrix, "nonlinear", math.nan, note, names)


def nonlinear_eigenvalues(eigenvalues: Array, nobs: int) -> Array:
    r"""Shrunken eigenvalues (N,) of a sample covariance from ``nobs`` independent rows.

    With the :math:`m=\min(N,T)` sample eigenvalues that are not zero by counting, :math:`h=T^{-1/3}`,
    :math:`x_{ij}=(\lambda_i-\lambda_j)/(h\lambda_j)` and the Epanechnikov kernel on :math:`[-\sqrt5,\sqrt5]`,

    .. math::

        f_i=\frac1m\sum_j\frac{3}{4\sqrt5\,h\lambda_j}\Bigl[1-\frac{x_{ij}^2}5\Bigr]^+,\qquad
        H_i=\frac1m\sum_j\frac1{h\lambda_j}\Bigl\{-\frac{3x_{ij}}{10\pi}
        +\frac{3}{4\sqrt5\,\pi}\Bigl(1-\frac{x_{ij}^2}5\Bigr)\ln\Bigl|\frac{\sqrt5-x_{ij}}{\sqrt5+x_{ij}}\Bigr|\Bigr\},

    the density of the eigenvalues and its Hilbert transform, and with :math:`c=N/T\le1`

    .. math:: d_i=\frac{\lambda_i}{(\pi c\lambda_if_i)^2+(1-c-\pi c\lambda_iH_i)^2}.

    For N > T, :math:`d_i=1/\{\pi^2\lambda_i(f_i^2+H_i^2)\}` and the N - T null eigenvalues share one value
    (Ledoit & Wolf 2020, Annals of Statistics, sections 4 and 5).

    Parameters
    ----------
    eigenvalues : (N,) ascending. nobs : T, less what was spent on means.

    Raises
    ------
    DataError : fewer than 12 observations, or a zero among the eigenvalues that should not be.
    """
    n = eigenvalues.size
    if nobs < FEWEST:
        raise DataError(f"nonlinear shrinkage needs {FEWEST} observations; there are {nobs}.")
    kept = np.asarray(eigenvalues[max(0, n - nobs) :], float)
    if kept[0] <= SMALLEST * kept[-1]:
        raise DataError(
            f"eigenvalue {kept[0]:.1e} of the sample correlation is zero though {min(n, nobs)} of {n} should not be: "
            "two columns or two rows carry the same information; drop one."
        )
    h = nobs ** (-1.0 / 3.0)
    width = h * kept[None, :]
    x = (kept[:, None] - kept[None, :]) / width
    inside = 1.0 - x**2 / 5.0
    density = 0.75 / math.sqrt(5.0) * np.mean(np.maximum(inside, 0.0) / width, axis=1)
    transform = _hilbert_kernel(x)
    hilbert = np.mean(transform / width, axis=1)
    if n <= nobs:
        c = n / nobs
        below = (math.pi * c * kept * density) ** 2 + (1.0 - c - math.pi * c * kept * hilbert) ** 2
        out: Array = kept / below
        return out
    reach = math.sqrt(5.0) * h
    null = (0.3 / h**2 + 0.75 / reach * (1.0 - 0.2 / h**2) * math.log((1.0 + reach) / (1.0 - reach))) / math.pi
    floor = 1.0 / (math.pi * (n - nobs) / nobs * null * float(np.mean(1.0 / kept)))
    above = 1.0 / (math.pi**2 * kept * (density**2 + hilbert**2))
    return np.concatenate([np.full(n - nobs, floor), above])


def _hilbert_kernel(x: Array) -> Array:
    r"""Hilbert transform of the Epanechnikov kernel on :math:`[-\sqrt5,\sqrt5]`.

    Far out its two terms, of order x, cancel down to 1/x; there the series in :math:`y=\sqrt5/x`,
    :math:`-\frac{3}{\sqrt5\,\pi}\sum_k y^{2k-1}/(4k^2-1)`, keeps all digits.
    """
    root = math.sqrt(5.0)
    far = np.abs(x) > root / 0.3
    edge = np.abs(np.abs(x) - root) < 1e-12
    near = np.where(far | edge, 0.0, x)
    logs = np.log(np.abs((root - near) / (root + near)))  # at the edge the factor before it vanishes
    inner = -0.3 / math.pi * np.where(far, 0.0, x) + 0.75 / (root * math.pi) * (1.0 - near**2 / 5.0) * logs
    y = np.where(far, root / np.where(far, x, 1.0), 0.0)
    outer = np.zeros_like(y)
    for k in range(16, 0, -1):
        outer = outer * y**2 + 1.0 / (4.0 * k * k - 1.0)
    return np.where(far, -3.0 / (root * math.pi) * y * outer, inner)


def given_target(matrix: Array | pd.DataFrame, names: Sequence[str] | int) -> CorrelationTarget:
    """Check a correlation matrix that the user brings.

    Parameters
    ----------
    matrix : (N, N). A frame is put into the order of ``names``; its labels must be these, in any order.
    names : the columns of the data, or only their number.

    Raises
    ------
    DataError : wrong shape or names, missing numbers, not symmetric, diagonal not one, not positive definite.
    """
    columns = () if isinstance(names, int) else tuple(names)
    count = names if isinstance(names, int) else len(columns)
    if isinstance(matrix, pd.DataFrame):
        if columns:
            for axis, labels in (("row", list(matrix.index)), ("column", list(matrix.columns))):
                missing = [name for name in columns if name not in labels]
                unknown = [label for label in labels if label not in columns]
                if missing or unknown or len(labels) != count:
                    raise DataError(
                        f"the {axis} labels of the target are not the columns of the data, once each: "
                        f"missing {missing or 'none'}, unknown {unknown or 'none'}."
                    )
            matrix = matrix.loc[list(columns), list(columns)]
        values = matrix.to_numpy(float)
    else:
        values = np.array(matrix, float)
    if values.shape != (count, count):
        raise DataError(f"the target is {' x '.join(map(str, values.shape))}; {count} columns need {count} x {count}.")

    def label(k: int) -> str:
        return repr(columns[k]) if columns else str(k)

    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise DataError(f"the target holds {values[i, j]} at ({label(i)}, {label(j)}).")
    gap = np.abs(values - values.T)
    if gap.max() > 1e-10:
        i, j = np.unravel_index(int(np.argmax(gap)), gap.shape)
        raise DataError(
            f"the target is not symmetric: {values[i, j]:.6g} at ({label(int(i))}, {label(int(j))}) and "
            f"{values[j, i]:.6g} across the diagonal."
        )
    off = np.abs(np.diag(values) - 1.0)
    if off.max() > 1e-10:
        k = int(np.argmax(off))
        raise DataError(
            f"the diagonal of the target is {values[k, k]:.6g} at {label(k)}, not 1; divide a covariance by the "
            "square roots of its diagonal."
        )
    values = 0.5 * (values + values.T)
    np.fill_diagonal(values, 1.0)
    _check_definite(values, columns, "the target", "change it, or let it be estimated (method='nonlinear')")
    return CorrelationTarget(values, "given", math.nan, "given by the user", columns)


def _residuals(z: Array | pd.DataFrame) -> tuple[Array, tuple[str, ...]]:
    """Values (T, N) and names; refuses what has no second moment."""
    names = tuple(map(str, z.columns)) if isinstance(z, pd.DataFrame) else ()
    values = z.to_numpy(float) if isinstance(z, pd.DataFrame) else np.asarray(z, float)
    if values.ndim != 2 or values.shape[1] < 2 or values.shape[0] < 2:
        raise DataError(f"a target needs residuals (T, N) with T and N of at least 2; these are {values.shape}.")
    if not np.isfinite(values).all():
        t, k = np.argwhere(~np.isfinite(values))[0]
        where = repr(names[k]) if names else k
        raise DataError(f"column {where} of the residuals holds {values[t, k]} in row {t}.")
    for k in np.flatnonzero(~np.any(values != 0.0, axis=0)).tolist():
        raise DataError(f"column {repr(names[k]) if names else k} of the residuals is zero throughout.")
    return values, names


def _check_definite(matrix: Array, names: tuple[str, ...], what: str, cure: str) -> None:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    if eigenvalues[0] > SMALLEST:
        return
    guilty = sorted(np.argsort(np.abs(vectors[:, 0]))[::-1][:2].tolist())
    pair = " and ".join(repr(names[k]) if names else f"column {k}" for k in guilty)
    raise DataError(
        f"{what} is not positive definite (smallest eigenvalue {eigenvalues[0]:.1e}, mostly {pair}); {cure}."
    )
