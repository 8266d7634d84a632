"""The tool's commands, one file each."""
