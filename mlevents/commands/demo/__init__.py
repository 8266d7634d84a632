"""``mlevents demo``: the command (demo.py), its deliveries, and the scenario with Azure ML (azure_ml.py)."""
