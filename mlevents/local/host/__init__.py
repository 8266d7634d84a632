"""The Functions host: worker processes that run the app's functions."""
