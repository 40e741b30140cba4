"""The dispatcher: the loop that delivers, and its decisions."""
