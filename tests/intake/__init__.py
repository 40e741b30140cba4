"""Tests of the intake from message brokers."""
