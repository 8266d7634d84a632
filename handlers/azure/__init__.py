"""Azure for all handlers: Resource Manager, the HTTP transport, the credential and Data Factory; `ml` is Azure ML."""
