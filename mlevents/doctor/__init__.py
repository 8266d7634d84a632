"""The checks of `mlevents doctor`: one file per group, each a generator of diagnoses."""
