"""The emulator's state, its clock, and its plans."""
