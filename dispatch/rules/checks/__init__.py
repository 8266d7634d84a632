"""Check conditions, keys and templates of rules against what is known of the keys of events."""
