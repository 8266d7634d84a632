"""Which files are the project's, and which are the user's."""
