"""The handlers and their contract, through the outside: a mail server, Azure's HTTP interfaces, a log."""
