"""The durable outbox of commands to agents: delivered at least once, leased while an agent works, closed by one result."""
