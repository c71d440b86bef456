"""The agents' websocket: authenticate, hello, pump commands out, take frames in. Rules are in the rooms below; here is the wire."""
