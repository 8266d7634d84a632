"""``mlevents erase`` and its output."""
