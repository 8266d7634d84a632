"""``mlevents roles`` and the model that it prints."""
