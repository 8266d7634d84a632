"""What the `email` handler is made of: addresses, texts, the message, and two ways to send it."""
