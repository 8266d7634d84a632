"""What decides about a new deployment: the smoke test, and the guard between shares."""
