"""Tests of the payload formats."""
