"""Series every test may ask for; nothing here is a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parent
if str(HERE) not in sys.path:  # so that test modules can `import strategies`
    sys.path.insert(0, str(HERE))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked slow unless ``-m`` says what to run."""
    if config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]


def load_oracle(name: str) -> dict[str, Any]:
    return json.loads((HERE / "oracles" / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def oracle():
    """Figures of another program: ``oracle("mfe_fixed_sim_dcc3")``."""
    return load_oracle


@pytest.fixture(scope="session")
def closes() -> pd.DataFrame:
    """Adjusted closes of the S&P 500 and the Nasdaq on common dates, 1999-2018; they come with arch."""
    from arch.data import nasdaq, sp500

    series = {"SP500": sp500.load()["Adj Close"], "NASDAQ": nasdaq.load()["Adj Close"]}
    return pd.DataFrame(series).dropna()


@pytest.fixture(scope="session")
def simple_returns(closes: pd.DataFrame) -> pd.DataFrame:
    """Percent simple returns, (5030, 2)."""
    return 100 * closes.pct_change().dropna()


@pytest.fixture(scope="session")
def sp500_nasdaq(closes: pd.DataFrame) -> pd.DataFrame:
    """Demeaned percent log returns, (5030, 2): the series of the oracles of that name."""
    returns = 100 * np.log(closes).diff().dropna()
    return returns - returns.mean()


@pytest.fixture(scope="session")
def sim_dcc3() -> pd.DataFrame:
    """Demeaned returns simulated from a DCC with GARCH margins, (2000, 3); truth in oracles/sim_dcc3_truth.json."""
    with np.load(HERE / "oracles" / "sim_dcc3.npz") as stored:
        values = stored["demeaned"]
    index = pd.bdate_range("2010-01-04", periods=len(values), name="date")
    return pd.DataFrame(values, index, ["A", "B", "C"])


@pytest.fixture(scope="session")
def mfe_data(sp500_nasdaq: pd.DataFrame, sim_dcc3: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Both series by the name the oracles use."""
    return {"sp500_nasdaq": sp500_nasdaq, "sim_dcc3": sim_dcc3}
