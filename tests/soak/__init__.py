"""Soaks: long tests under load and faults, each a command of its own."""
