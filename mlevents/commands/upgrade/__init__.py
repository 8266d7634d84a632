"""``mlevents upgrade``: what an upgrade would meet."""
