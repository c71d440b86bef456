"""Object stores: where backups are kept. The server reaches a store once, to prove it when it is registered; the data goes from the agents."""
