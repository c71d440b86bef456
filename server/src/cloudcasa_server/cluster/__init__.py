"""Client clusters: registration, the manifest that installs an agent, the agent's credentials and the cluster's state."""
