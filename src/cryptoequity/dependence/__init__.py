"""Dependence beyond correlation: tails, exceedances, joint jumps, connectedness, and who moves first."""

__all__: list[str] = []
