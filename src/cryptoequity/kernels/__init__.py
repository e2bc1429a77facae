"""Compiled loops: float64 arrays in, arrays out; the only place that imports numba."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

__all__ = ["kernel"]

# numba keys its disk cache on the file of the kernel itself; a kernel that calls one in another file would go on with
# the old callee after that file has changed, so the stamp of every file of this folder goes into every key
_STAMP = tuple(
    (path.name, stat.st_mtime, stat.st_size)
    for path in sorted(Path(__file__).parent.glob("*.py"))
    for stat in (path.stat(),)
)


def kernel(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``loop`` on first call, keep it on disk, and release the GIL while it runs.

    No ``fastmath``: the numbers must not depend on the machine's vector width.
    """
    compiled: Any = njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(loop)
    index: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = (index._source_stamp, _STAMP)
    return compiled  # the dispatcher is called like the loop
