"""The durable record of events and actions, on Azure Storage."""
