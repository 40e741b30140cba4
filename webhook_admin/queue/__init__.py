"""The queue in the store: all SQL of lanes, deliveries and attempts. Knows no network."""
