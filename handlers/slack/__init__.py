"""``do: slack``: post a message to a channel of Slack."""
