"""``mlevents new``: write the first version of what users add to the app."""
