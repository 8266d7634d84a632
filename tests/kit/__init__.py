"""Stand-ins for services: what the code under test talks to over loopback."""
