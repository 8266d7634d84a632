"""Simulates days of the app's life in virtual time: Event Grid, hosts, storage and their faults, from one seed."""
