"""Choose the adapter by the database's URL: none = a file in the data directory; sqlite:///path; mongodb:// or mongodb+srv://."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from .mongo import MongoStore
from .port import Store
from .sqlite import SqliteStore

FILE_NAME = "cloudcasa.db"


def open_store(url: str | None, *, data_dir: Path) -> Store:
    """Return the store of a URL. Raises ValueError for a scheme that is not known; nothing is connected yet."""
    if not url:
        return SqliteStore(data_dir / FILE_NAME)
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return SqliteStore(Path(unquote(parts.path)))
    if parts.scheme in {"mongodb", "mongodb+srv"}:
        return MongoStore(url)
    raise ValueError(f'Cannot open the database: its URL starts with "{parts.scheme}:". Use mongodb://, mongodb+srv:// or sqlite:///path.')
