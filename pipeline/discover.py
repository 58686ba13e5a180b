"""Paths and folders → what may be a log. Nothing is opened: what a file holds is for `lines` and `detect` to say.

Left out by kind is only what cannot be text (checkpoints, images, archives …), so that a parallel file system with
millions of them costs a listing; an ending never makes a file a log or none (Keras logs have come as `.rb`).
"""

import heapq
import math
import os
import pwd
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import polars as pl

from .no_text import ending_of_no_text, may_be_text
from .store import MARKER

SCHEMA = pl.Schema(
    {
        "root": pl.String(),
        "path": pl.String(),
        "bytes": pl.Int64(),
        "modified_at": pl.Datetime("us", "UTC"),
        "owner": pl.String(),
        "kind": pl.String(),
        "message": pl.String(),
    }
)

SETTINGS = "trainqc.toml"
LEFT_OUT_FOLDERS = {
    ".git": "version control",
    ".hg": "version control",
    ".svn": "version control",
    "node_modules": "packages",
    "__pycache__": "compiled Python",
}
MARKED_FOLDERS = {
    MARKER: "trainqc's own output",
    "pyvenv.cfg": "a virtual environment",
    "conda-meta": "a conda environment",
}


def discover(roots: Sequence[Path], *, out: Path | None) -> pl.DataFrame:
    """One row (SCHEMA) per file that may be a log, per folder and ending left out, per thing that cannot be looked at.

    `kind` is `log`, `left_out` (`path` is the pattern or the folder, `message` says how many of what) or `unreadable`
    (`message` says why). A root is resolved; below it a file has one row, however many names lead to it, and a real
    name goes before a symbolic link. Where roots overlap, the first one has the file. A file that is given itself is a
    log whatever its ending. `out`, where the tables go, is passed over. Sorted by path within each root, in the order
    of the roots. Never raises for what is on disk.
    """
    return pl.concat([pl.DataFrame(schema=SCHEMA), *portions(roots, out=out)])


def portions(roots: Sequence[Path], *, out: Path | None, at_once: float = math.inf) -> Iterator[pl.DataFrame]:
    """What `discover` finds, in portions of `at_once` bytes of logs and a rest, for reading to begin while the search
    goes on. Within a root only the rows of one portion are sorted."""
    search = _Search(out.resolve() if out else None, at_once)
    some: list[pl.DataFrame] = []
    for root in roots:
        for frame in search.below(root):
            some.append(frame)
            if search.bytes >= at_once:
                yield pl.concat(some)
                some, search.bytes = [], 0
    if some:
        yield pl.concat(some)


class _Search:
    """One search: what was seen so far, by device and inode; the rows of the root at hand, and the bytes of the logs
    in them that are not handed on."""

    def __init__(self, out: Path | None, at_once: float) -> None:
        self.out = str(out) if out else None
        self.at_once = at_once
        self.bytes = 0
        self.seen: set[tuple[int, int]] = set()
        self.rows: list[tuple[str, int | None, int | None, str | None, str, str | None]] = []

    def below(self, root: Path) -> Iterator[pl.DataFrame]:
        try:
            root = root.resolve()
            status = root.stat()
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, Python 3.11 and 3.12
            root = root.absolute()
            self._unreadable(root.name, _reason(error))
        else:
            if stat.S_ISDIR(status.st_mode):
                for _ in self._walk(str(root), status):
                    if self.bytes >= self.at_once:
                        yield self._handed_on(root)
            else:
                self._file(root.name, status)
        yield self._handed_on(root)

    def _handed_on(self, root: Path) -> pl.DataFrame:
        rows, self.rows = self.rows, []
        types = {name: dtype for name, dtype in SCHEMA.items() if name != "root"}
        frame = pl.DataFrame(rows, schema={**types, "modified_at": pl.Int64()}, orient="row")
        return frame.select(
            pl.lit(_printable(str(root))).alias("root"),
            *(pl.col(name).cast(dtype) for name, dtype in types.items()),
        ).sort("path", maintain_order=True)

    def _walk(self, root: str, status: os.stat_result) -> Iterator[None]:
        """Real folders first, then what symbolic links lead to, so that a loop and a second name find it seen. A step
        for each."""
        folders = [""] if self._is_new(status) else []
        links: list[str] = []
        while folders or links:
            yield
            if folders:
                folders += reversed(self._folder(root, folders.pop(), links))
                continue
            path = heapq.heappop(links)
            try:
                status = os.stat(f"{root}/{path}")  # noqa: PTH116 (a Path per file is a third of the time)
            except OSError as error:
                self._unreadable(path, "broken link" if isinstance(error, FileNotFoundError) else _reason(error))
            else:
                if not stat.S_ISDIR(status.st_mode):
                    self._file(path, status)
                elif self._is_new(status):
                    folders.append(path)

    def _folder(self, root: str, folder: str, links: list[str]) -> list[str]:
        """Rows of one folder's files; returns its sub-folders, sorted; its symbolic links go to the heap `links`."""
        here = f"{root}/{folder}" if folder else root
        if here == self.out:
            return []
        prefix = f"{folder}/" if folder else ""
        tally: Counter[tuple[str, str]] = Counter()
        entries: list[os.DirEntry[str]] = []
        try:
            with os.scandir(here) as listing:
                for entry in listing:
                    name = entry.name
                    if name in MARKED_FOLDERS and (folder or name == MARKER):
                        self._add(folder or ".", "left_out", f"folder left out: {MARKED_FOLDERS[name]}")
                        return []
                    if (
                        (ending := ending_of_no_text(name))
                        and not entry.is_dir(follow_symlinks=False)
                        and not may_be_text(entry)
                    ):
                        tally[ending] += 1
                    else:
                        entries.append(entry)
        except OSError as error:
            self._unreadable(folder or ".", f"folder: {_reason(error)}")
        for (kind, ending), files in tally.items():
            many = "" if files == 1 else "s"
            self._add(f"{prefix}*{ending}", "left_out", f"{files:,} {kind}{many} ({ending})")
        folders: list[str] = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = prefix + entry.name
            try:
                if _printable(entry.name) != entry.name:
                    self._unreadable(path, "the name is not UTF-8: rename it")
                elif entry.name == SETTINGS:
                    self._add(path, "left_out", "trainqc's settings")
                elif entry.is_symlink():
                    heapq.heappush(links, path)
                elif not entry.is_dir():
                    self._file(path, entry.stat())
                elif entry.name in LEFT_OUT_FOLDERS:
                    self._add(path, "left_out", f"folder left out: {LEFT_OUT_FOLDERS[entry.name]}")
                elif self._is_new(entry.stat()):
                    folders.append(path)
            except OSError as error:
                self._unreadable(path, _reason(error))
        return folders

    def _file(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._unreadable(path, f"{_special(status.st_mode)} is not read: save its text to a file")
        elif self._is_new(status):
            modified_us = status.st_mtime_ns // 1000
            self.rows.append((path, status.st_size, modified_us, _owner(status.st_uid), "log", None))
            self.bytes += status.st_size

    def _is_new(self, status: os.stat_result) -> bool:
        """Whether this file or folder is met for the first time. Inode 0 is what file systems without inodes give."""
        before = len(self.seen)
        if status.st_ino:
            self.seen.add((status.st_dev, status.st_ino))
        return not status.st_ino or len(self.seen) > before

    def _add(self, path: str, kind: str, message: str) -> None:
        self.rows.append((_printable(path), None, None, None, kind, message))

    def _unreadable(self, path: str, message: str) -> None:
        self._add(path, "unreadable", message)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error)).lower()


def _special(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "a FIFO", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
    return next((name for test, name in kinds.items() if test(mode)), "what is no regular file")


def _printable(path: str) -> str:
    """The path, with bytes that are not UTF-8 written as \\xff; such a path cannot stand in a table."""
    return path if path.isascii() else path.encode(errors="surrogateescape").decode(errors="backslashreplace")


@cache
def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
