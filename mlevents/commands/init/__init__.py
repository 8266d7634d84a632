"""``mlevents init``: write the first files of a user, and add workspaces and labels to them later."""
