"""``expect`` and ``unless``: the keys about events that are on record, or are not."""
