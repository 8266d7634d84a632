"""Who works on this machine: recorded with what they pause, resume and replay here."""

import getpass


def user() -> str:
    """The name with which this user has logged in to this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user id has no name, as in some containers
        return "an unknown user"
