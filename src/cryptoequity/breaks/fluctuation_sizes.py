"""What was measured of the fluctuation tests, as the sentences their results print."""

from __future__ import annotations

__all__ = [
    "ROBUST_ESTIMATES",
    "ROBUST_MOVING",
    "ROBUST_SCORES",
    "ROBUST_SCORES_VARIANCE",
    "ROBUST_SQUARES",
    "ROBUST_SUMS",
]

# rejections at 5 % with nothing broken, T = 1000, 200 samples (standard error 1.5 points): t(5) errors; GARCH(.08, .90)
# normal and GARCH(.12, .87) t(5); t(5) whose standard deviation doubles at mid-sample, errors and regressor alike
ROBUST_SUMS = (
    "Of a mean it holds its size: measured 4-4.5 % with t(5) errors, 5-7.5 % under GARCH, 1.5-6.5 % where the standard"
    " deviation doubles at mid-sample (nominal 5 %, T = 1000). Errors with autocorrelation need long_run."
)
ROBUST_SQUARES = (
    "It rejects under GARCH without any break: measured 94 %, with long_run 81-86 % (nominal 5 %, T = 1000); with t(5)"
    " errors 3.5 %, and 47 % with fourth='normal'. For returns use variance_break_test."
)
ROBUST_MOVING = (
    "A window sees one spell of high variance whole: measured 4-4.5 % with t(5) errors, 7-12.5 % under GARCH, "
    "12.5-13.5 % where the standard deviation doubles at mid-sample (nominal 5 %, T = 1000). Under GARCH prefer "
    "cusum_test."
)
ROBUST_ESTIMATES = (
    "Of a beta whose regressor is a GARCH too: recursive estimates 5 % with t(5), 6.5-9 % under GARCH, 22 % where both"
    " standard deviations double at mid-sample; moving ones 7.5 %, 11.5-21 % and 15 %; rescale=False is worse (nominal"
    " 5 %, T = 1000). For a beta of returns use kind='score'."
)
ROBUST_SCORES = (
    "Of a beta whose regressor is a GARCH too: cumulative scores 6 % with t(5), 5.5 % under GARCH, 7.5 % where both "
    "standard deviations double at mid-sample; over a window 5.5 %, 12-18 % and 18 % (nominal 5 %, T = 1000). Not a "
    "test of a correlation: a beta moves with conditional variances while the correlation stands still."
)
ROBUST_SCORES_VARIANCE = (
    "With the score of the variance it tests a constant variance too: measured 4 % with t(5) errors, 87-90 % under "
    "GARCH (nominal 5 %, T = 1000). Use variance=False for returns."
)
