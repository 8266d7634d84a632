"""Handlers that pass an event on: to Event Grid, Event Hubs, Service Bus, a storage queue, or a file in a data lake.

message.py has what they share: the event as a CloudEvent, in Event Grid's schema, or as JSON of the rule's own.
"""
