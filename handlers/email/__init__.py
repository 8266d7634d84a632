"""The parts of the `email` handler: addresses, texts, the message, and two transports (SMTP, Azure)."""
