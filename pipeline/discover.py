"""Paths and folders → what may be a log. Nothing is opened: what a file holds is for `lines` and `detect` to say.

Left out by kind is only what cannot be text (checkpoints, images, archives …), so that a parallel file system with
millions of them costs a listing; an ending never makes a file a log or none (Keras logs have come as `.rb`).
"""

import heapq
import os
import pwd
import stat
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl

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

NO_TEXT = {
    "checkpoint": "pth pt ckpt safetensors bin onnx h5 hdf5 keras pkl pickle joblib gguf ggml msgpack distcp tflite pb "
    "engine weights caffemodel pdparams pdopt pdmodel pdiparams pdstates mar",
    "array file": "npy npz mat parquet arrow feather orc avro tfrecord tfrecords mdb lmdb db sqlite sqlite3 wandb",
    "image": "png jpg jpeg gif bmp tif tiff webp ico heic exr psd dcm nii",
    "document": "pdf docx xlsx pptx odt",
    "video": "mp4 avi mov mkv webm mpg mpeg m4v flv wmv",
    "audio file": "wav mp3 flac ogg m4a aac opus",
    "archive": "tar tgz tbz tbz2 txz tzst zip 7z rar whl egg jar deb rpm iso sif squashfs",
    "compiled file": "so dll dylib exe pyc pyo pyd class cubin ptx nsys-rep ncu-rep qdrep",
}
KINDS = {ending: kind for kind, endings in NO_TEXT.items() for ending in endings.split()}
SMALL_BIN_BYTES = 4 << 20
COMPRESSED = ("gz", "bz2", "xz", "zst")
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
    search = _Search(out.resolve() if out else None)
    return pl.concat([pl.DataFrame(schema=SCHEMA), *(search.below(root) for root in roots)])


class _Search:
    """One search: what was seen so far, by device and inode, and the rows of the root at hand."""

    def __init__(self, out: Path | None) -> None:
        self.out = str(out) if out else None
        self.seen: set[tuple[int, int]] = set()
        self.rows: list[tuple[str, int | None, int | None, str | None, str, str | None]] = []

    def below(self, root: Path) -> pl.DataFrame:
        self.rows = []
        try:
            root = root.resolve()
            status = root.stat()
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links, Python 3.11 and 3.12
            root = root.absolute()
            self._unreadable(root.name, _reason(error))
        else:
            if stat.S_ISDIR(status.st_mode):
                self._walk(str(root), status)
            else:
                self._file(root.name, status)
        names = [name for name in SCHEMA if name != "root"]
        frame = pl.DataFrame(self.rows, schema=names, orient="row", infer_schema_length=None)
        return frame.select(
            pl.lit(_printable(str(root))).alias("root"),
            *(pl.col(name).cast(SCHEMA[name]) for name in names),
        ).sort("path", maintain_order=True)

    def _walk(self, root: str, status: os.stat_result) -> None:
        """Real folders first, then what symbolic links lead to, so that a loop and a second name find it seen."""
        folders = [""] if self._is_new(status) else []
        links: list[str] = []
        while folders or links:
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
                        (ending := _ending(name))
                        and not entry.is_dir(follow_symlinks=False)
                        and not _may_be_text(entry)
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


def _ending(name: str) -> tuple[str, str] | None:
    """(kind, ending) of a file that cannot be text: `x.tar.gz` → archive, .tar.gz; None for what may be a log."""
    stem, _, last = name.lower().rpartition(".")
    ending = f".{last}"
    if last in COMPRESSED:
        last = stem.rpartition(".")[2] if "." in stem else ""
        ending = f".{last}{ending}"
    if kind := KINDS.get(last):
        return (kind, ending) if stem else None
    return ("TensorBoard file", ".tfevents*") if ".tfevents." in name else None


def _may_be_text(entry: os.DirEntry[str]) -> bool:
    """`.bin` ends weights and captured terminal output alike: a small one is looked into."""
    return entry.name.lower().endswith(".bin") and entry.stat(follow_symlinks=False).st_size <= SMALL_BIN_BYTES


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
