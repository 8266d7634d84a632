"""The parts of `emulator.Azure`: what tests, the demo and `mlevents azure` do with it, one class for each purpose."""
