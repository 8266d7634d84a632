"""``mlevents watch``: what the watch cannot see, and events that never came."""
