"""Compiled loops: float64 arrays in, arrays out; the only place that imports numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["kernel"]


def kernel(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``loop`` on first call, keep it on disk, and release the GIL while it runs.

    No ``fastmath``: the numbers must not depend on the machine's vector width.
    """
    compiled: Callable[..., Any] = njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(loop)
    return compiled
