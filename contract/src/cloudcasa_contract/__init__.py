"""What server and agent must agree on: frames, commands and their results, states.

Data only: no I/O library is imported here (checked by import-linter), so either side can test against it without the other.
Unknown fields are ignored on receipt and unknown command kinds are answered UNSUPPORTED, so that server N works with agents N and N-1.
"""
