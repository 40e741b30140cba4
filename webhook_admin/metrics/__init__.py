"""Metrics for Prometheus: what each process measures, and how `exposition` shows it for all of them."""
