"""What a step costs, relative to a floor measured in the same run."""
