"""Tests of the queue in the store."""
