"""The re-rating claim: episodes, evidence, power, hypotheses and the verdict."""
