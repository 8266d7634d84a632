"""HTTP: routes, requests, and the shapes of bodies."""
