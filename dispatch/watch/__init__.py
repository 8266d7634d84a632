"""What raises no event: the app asks for it on a timer, and raises events of its own."""
