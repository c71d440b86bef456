"""Notifications: alerts brought to people and programs, by mail, webhook or a chat. Nothing is sent anywhere that nobody named."""
