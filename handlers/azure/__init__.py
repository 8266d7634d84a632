"""Azure Resource Manager and the services that handlers call."""
