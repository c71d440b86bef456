"""The cache of everything the lab builds: one directory per artifact and content key, shared by all checkouts of a user.

An entry is made in a temporary directory and renamed when it is complete, under a lock of its own: two processes never build the
same twice, and a build that is killed leaves nothing half made. Called by `lab.build.plan` only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY_LENGTH = 16
IGNORED_NAMES = frozenset({"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules", ".venv"})
IGNORED_SUFFIXES = (".pyc", ".egg-info")


def cache_root() -> Path:
    """Return the cache's directory: ${XDG_CACHE_HOME:-~/.cache}/cloudcasa-lab."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cloudcasa-lab"


def content_key(parts: Iterable[str | bytes | Path]) -> str:
    """Return a key that changes when any part does: texts count as they are, paths by the names and contents of their files."""
    digest = hashlib.sha256()
    for part in parts:
        for chunk in _chunks(part):
            digest.update(len(chunk).to_bytes(8))
            digest.update(chunk)
    return digest.hexdigest()[:KEY_LENGTH]


def _chunks(part: str | bytes | Path) -> Iterator[bytes]:
    if isinstance(part, str):
        yield part.encode()
    elif isinstance(part, bytes):
        yield part
    else:
        for file in source_files(part):
            yield file.relative_to(part.parent).as_posix().encode()
            yield hashlib.sha256(file.read_bytes()).digest()


def source_files(path: Path) -> list[Path]:
    """Return the files of a source tree in a fixed order, without what tools leave behind; a file is a tree of one."""
    if path.is_file():
        return [path]
    return sorted(_walk(path))


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in IGNORED_NAMES or entry.name.endswith(IGNORED_SUFFIXES):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry


@dataclass(frozen=True)
class Slot:
    """Where one artifact of one content lies, or will lie."""

    kind: str
    name: str
    key: str
    root: Path

    @property
    def path(self) -> Path:
        """The directory of the finished artifact."""
        return self.root / self.kind / f"{self.name}-{self.key}"

    def is_filled(self) -> bool:
        """Say whether the artifact is there, whole."""
        return self.path.is_dir()

    def fill(self, make: Callable[[Path], None], *, on_wait: Callable[[], None] = lambda: None) -> Path:
        """Return the artifact's directory; when it is missing, `make` writes it into the directory it is given."""
        if self.is_filled():
            os.utime(self.path)
            return self.path
        with self._locked(on_wait):
            if not self.is_filled():
                self._produce(make)
        return self.path

    def _produce(self, make: Callable[[Path], None]) -> None:
        draft = self.root / "draft" / f"{self.kind}-{self.name}-{self.key}"
        # A draft that is there was left by a process that died: whoever makes one holds the lock.
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            make(draft)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.rename(self.path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @contextmanager
    def _locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / f"{self.kind}-{self.name}-{self.key}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def drop_older(self, *, keep: int) -> None:
        """Delete all but the `keep` entries of this name that were used last."""
        pattern = f"{self.name}-" + "[0-9a-f]" * KEY_LENGTH
        entries = sorted(self.path.parent.glob(pattern), key=lambda entry: entry.stat().st_mtime, reverse=True)
        for entry in entries[keep:]:
            shutil.rmtree(entry, ignore_errors=True)
