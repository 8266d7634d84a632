"""Benchmarks: the cost of a step as a ratio to a baseline that is measured in the same run."""
