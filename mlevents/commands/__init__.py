"""The commands of `mlevents`, one file each; `mlevents/__main__.py` lists them."""
