"""Online and batch endpoints: deployments, machines, scoring."""
