"""The tool `mlevents`: commands for who works on the app. It is not deployed."""
