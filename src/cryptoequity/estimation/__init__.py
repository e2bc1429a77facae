"""Machinery that knows no model: parameters, optimiser, inference, bootstrap, parallel map, results."""
