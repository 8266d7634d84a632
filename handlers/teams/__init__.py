"""``do: teams``: post an Adaptive Card to a channel or a chat of Microsoft Teams."""
