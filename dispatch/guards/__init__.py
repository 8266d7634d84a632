"""Guards: may this action run now? One file per guard."""
