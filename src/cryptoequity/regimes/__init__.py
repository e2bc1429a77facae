"""Regime switching: hidden Markov models of returns, covariances and correlations."""

__all__: list[str] = []
