"""What can go wrong in the lab, as one sentence for the person at the terminal.

The command line prints the text of a LabError and ends with status 1; anything else is a bug and shows its traceback.
"""

from __future__ import annotations


class LabError(Exception):
    """Something the lab tried did not work; the text says what, on what, and what to do."""
