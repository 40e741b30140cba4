"""The network: sends one POST for each attempt and says what came of it. Knows no store."""
