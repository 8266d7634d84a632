"""``mlevents demo``: the command (demo.py), its deliveries, and what it plays with (stage.py)."""
