"""``mlevents azure``: control the emulated Azure."""
