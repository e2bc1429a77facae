"""The verdict that every test of this room looks at."""

from __future__ import annotations

import pytest

from golden.small_verdict import small_verdict


@pytest.fixture(scope="session")
def verdict():
    return small_verdict()
