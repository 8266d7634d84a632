"""Control the emulator: set it up, inject faults, look at its state."""
