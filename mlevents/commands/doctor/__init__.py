"""``mlevents doctor`` and its output."""
