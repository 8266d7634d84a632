"""Jobs: their lifecycle, run history, and the jobs of batch endpoints."""
