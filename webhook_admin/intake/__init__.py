"""Taking events from a message broker instead of HTTP."""
