"""The emulator's state, its clock, and what is to happen when."""
