"""``mlevents pause`` and ``mlevents resume``."""
