"""Benchmarks: each a command of its own, which prints figures and asserts nothing about time."""
