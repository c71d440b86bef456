"""Accounts in clouds, and tasks in them. Stored; the clouds themselves are not read yet, and the state says so."""
