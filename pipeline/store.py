"""The store: the only reader and writer of Parquet.

    OUT/.trainqc                                   marker: this folder is trainqc's own output
    OUT/tables -> .store/<n>                       the link that a commit swings
    OUT/.store/<n>/<table>/<part>.<since>.parquet  generation n; <since> is the generation that gave the file its name
    OUT/.store/staging/…                           what the writer has not committed
    OUT/.store/lock                                who writes

A reader from outside (`duckdb "… from 'OUT/tables/runs/*.parquet'"`) lists a folder and then opens the names one by
one, through the link, which may swing in between. It must get a whole generation or an error, never a mixture. Two
rules give it that, each tried against polars 2.1 and DuckDB 2.0 with and without:

1. A name never stands for two contents. (polars looks at a file twice, at planning and at reading; where `all.parquet`
   changed in between it returned wrong rows.)
2. A commit that takes rows out of a table gives every part of that table a new name, which costs hard links only.
   (DuckDB skips a listed name that is gone in silence, and returned the remaining parts as if they were the table.)

So a reader that crosses a commit that only adds reads the old generation; one that crosses another commit either reads
the old generation or fails with "no such file", and reads well when asked again. `Store` resolves the link first and
is not concerned: its generation stays on disk until the commit after the next one.
"""

import contextlib
import fcntl
import filecmp
import os
import re
import shutil
import socket
import threading
from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import polars as pl

from .parquet import arrow_schema, load, metadata_of, write_frame
from .tables import LOGS, PARSED, TABLES, Table

MARKER = ".trainqc"
EMPTY = "empty"
"""The part without rows that every table has: a glob always finds a file, and its schema is the schema of all parts."""

SMALL_BYTES = 4 << 20
FULL_BYTES = 32 << 20
MANY_SMALL = 64
"""More than MANY_SMALL groups below SMALL_BYTES are merged, oldest first, into groups of about FULL_BYTES."""

PART = re.compile(r"[A-Za-z0-9_]+(-[0-9]+)?")
FRESH = re.compile(r"[0-9]{6,}p[0-9]{5,}")
"""Group names that `Writer.new_part` gives."""

Parts = dict[str, dict[str, Path]]
"""Table name → part name → file."""


class StoreError(Exception):
    """The output folder cannot be used or written; the message says what, where and what to do."""


class StoreBusy(StoreError):  # noqa: N818 (a state of the folder more than a defect)
    """Another command writes to the output folder; the message names it."""


class Store:
    """The tables of one output folder. Reading never waits for a writer and never changes anything on disk."""

    def __init__(self, out: Path) -> None:
        self.out: Path = out.absolute()
        self.home: Path = self.out / ".store"
        self.link: Path = self.out / "tables"
        self._pinned: Path | None = None

    def exists(self) -> bool:
        return self.generation() is not None

    def generation(self) -> Path | None:
        """The folder of the current generation; without a usable link (deleted, not copied) the newest complete one."""
        if self._pinned:
            return self._pinned
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: a loop of links
            return self.link.resolve(strict=True)
        numbers = self._numbers()
        return self.home / str(max(numbers)) if numbers else None

    def pinned(self) -> "Store":
        """A view that stays with today's generation: several tables read through it belong together.

        It lives until the commit after the next one; reading it later raises FileNotFoundError.
        """
        view = Store(self.out)
        view._pinned = self.generation()
        return view

    def scan(self, table: Table) -> pl.LazyFrame:
        """All rows of `table`, with exactly its columns; columns that an older version did not write are null."""
        generation = self.generation()
        files = list(_parts(generation).get(table.name, {}).values()) if generation else []
        return _scan(table, files) if files else table.empty().lazy()

    def read(self, table: Table) -> pl.DataFrame:
        """As `scan`, in memory; asks again where commits overtook it (a pinned view raises FileNotFoundError)."""
        while True:
            generation = self.generation()
            try:
                return self.scan(table).collect()
            except FileNotFoundError:
                if self.generation() == generation:
                    raise

    @contextlib.contextmanager
    def writer(self, command: str) -> Generator["Writer"]:
        """The one writer; `command` is what a second one is told. What is not committed inside is discarded.

        Creates OUT for its owner alone. Raises StoreBusy while another writer is at work, StoreError where OUT is a
        folder of somebody else's, was written by a newer version, or cannot be created or locked.
        """
        with _errors(f"cannot use {self.out} as output folder", "choose another one with --out"):
            self._create()
            lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(lock, command)
            with _errors(f"cannot prepare {self.home}", "the tables are as they were"):
                self._recover()
            try:
                yield Writer(self)
            finally:
                shutil.rmtree(self.home / "staging", ignore_errors=True)
        finally:
            os.close(lock)

    def _create(self) -> None:
        self.out.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker = self.out / MARKER
        if any(self.out.iterdir()) and not marker.exists():
            raise StoreError(
                f"{self.out} holds files but no trainqc output; logs in an output folder would not be found again: "
                f"choose a new or empty folder with --out"
            )
        if not marker.exists():
            marker.touch(mode=0o600)
            marker.write_text("Output of trainqc. Folders with this file are not searched for logs.\n")
        self.home.mkdir(mode=0o700, exist_ok=True)

    def _lock(self, lock: int, command: str) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 4096, 0).decode(errors="replace").strip() or "another command"
            raise StoreBusy(f"{self.out} is being written by {holder}: wait for it, or choose another --out") from None
        except OSError as error:
            raise StoreError(
                f"cannot lock {self.home / 'lock'}: {error.strerror}; this file system may be mounted without locks: "
                f"choose a folder on another one with --out"
            ) from error
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{command} (pid {os.getpid()} on {socket.gethostname()}, since {since})\n".encode(), 0)

    def _recover(self) -> None:
        """Sweep what killed commands left; restore a link that is missing or was replaced by a copied folder."""
        if self.link.is_dir() and not self.link.is_symlink():
            names = (int(file.name.split(".")[-2]) for file in self.link.glob("*/*.*.parquet"))
            number = max((0, *self._numbers(), *names)) + 1
            self.link.rename(self.home / str(number))
            self.swing(number)
        generation = self.generation()
        if generation is None:
            self.sweep(keep=set())
            return
        if generation.parent != self.home.resolve() or not generation.name.isdecimal():
            raise StoreError(
                f"{self.link} leads to {generation}, which is no generation of this store: remove the link"
            )
        number = int(generation.name)
        if not self.link.exists():
            self.swing(number)
        for name, parts in _parts(generation).items():
            if name in TABLES and EMPTY in parts:
                version = int(pl.read_parquet_metadata(parts[EMPTY]).get("trainqc.version", "1"))
                if version > TABLES[name].version:
                    raise StoreError(
                        f"{generation / name} was written by a newer trainqc: update, or choose another --out"
                    )
        before = max((other for other in self._numbers() if other < number), default=number)
        self.sweep(keep={number, before})

    def _numbers(self) -> list[int]:
        if not self.home.is_dir():
            return []
        return [int(entry.name) for entry in os.scandir(self.home) if entry.name.isdecimal()]

    def swing(self, number: int) -> None:
        """Make generation `number` the current one, in one step."""
        fresh = self.home / "link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(self.home.name, str(number)))
        fresh.rename(self.link)
        _sync(self.out)

    def sweep(self, keep: Collection[int]) -> None:
        """Remove all but the generations `keep`. What cannot be removed (NFS, while it is read) waits for the next."""
        for entry in list(os.scandir(self.home)):
            if entry.is_dir(follow_symlinks=False) and entry.name not in map(str, keep):
                shutil.rmtree(entry.path, ignore_errors=True)


class Writer:
    """Collects parts and makes them a generation. `write`, `drop_logs` and `replace` may be called by several threads.

    A part is the rows of some logs in one table. The parts of one log have one group in their names, `<group>` or
    `<group>-<k>`, in all tables; and where a group has rows in `logs`, it has rows of those logs only.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        generation = store.generation()
        self._number = int(generation.name) if generation else 0
        self._current: Parts = _parts(generation) if generation else {}
        self._base = self._number + 1
        self._staged: dict[str, dict[str, Path | None]] = {}
        self._dropped: set[str] = set()
        self._lock = threading.RLock()
        self._counter = count(1)
        self._staging = store.home / "staging"
        self._prepared = False

    def prepare(self) -> None:
        """Load beside the caller's work what the first `write` needs: 0.15 s, which a caller that reads small files
        does well to begin when its threads have enough to do."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=load).start()

    def lay_out(self) -> None:
        """Write the empty part of each table that has no parts yet: work for a caller whose threads have some left."""
        for table in TABLES.values():
            if not self._current.get(table.name):
                file = self._stage(table, table.empty().lazy())
                with self._lock:
                    self._staged.setdefault(table.name, {})[EMPTY] = file

    def new_part(self) -> str:
        """A part (or group) name that this store has never used."""
        return f"{self._base:06}p{next(self._counter):05}"

    def write(self, part: str, tables: Mapping[str, pl.DataFrame]) -> None:
        """Add a new part to the named tables. Rows are conformed and on disk when this returns, visible after commit.

        Raises StoreError when they cannot be written (then none of them are), ValueError for rows that do not fit
        their table or a part that is already there.
        """
        _valid(part)
        written = {name: self._stage(TABLES[name], frame) for name, frame in tables.items() if frame.height}
        with self._lock:
            if taken := [n for n in written if part in self._current.get(n, {}) or part in self._staged.get(n, {})]:
                raise ValueError(f"part {part} is already in {', '.join(taken)}: new_part() gives a fresh name")
            for name, file in written.items():
                self._staged.setdefault(name, {})[part] = file

    def drop_logs(self, log_ids: Collection[str]) -> None:
        """Take the rows of these logs, as committed so far, out of all parsed tables.

        What was or will be written since the last commit stays, so a log that grew is dropped and written anew, in
        either order.
        """
        with self._lock:
            self._dropped.update(log_ids)

    def replace(self, table: Table, frame: pl.DataFrame, part: str = "all") -> None:
        """Make `frame` the whole content of one part of `table`. The same rows again change nothing on disk."""
        _valid(part)
        file = self._stage(table, frame) if frame.height else None
        with self._lock:
            self._staged.setdefault(table.name, {})[part] = file

    def commit(self) -> int:
        """Make everything so far the current generation and return its number; nothing new gives the present one.

        Raises StoreError when it cannot be written; the tables are then as they were, and this writer is done.
        """
        with self._lock, _errors(f"cannot commit to {self._store.home}", "the tables are as they were"):
            plan: Parts = {name: dict(self._current.get(name, {})) for name in dict.fromkeys((*TABLES, *self._current))}
            self._drop(plan)
            self._add(plan)
            self._upgrade(plan)
            self._compact(plan)
            if plan != self._current:
                self._publish(plan)
            self._staged, self._dropped = {}, set()
            return self._number

    def _stage(self, table: Table, rows: pl.DataFrame | pl.LazyFrame) -> Path:
        """Write rows into a new file, on disk when this returns; what is rewritten is streamed."""
        folder = self._staging / table.name
        file = folder / f"{os.urandom(8).hex()}.parquet"
        try:
            with _errors(
                f"cannot write rows of {table.name} to {file}", "free some space; the tables are as they were"
            ):
                for each in (self._staging, folder):
                    each.mkdir(mode=0o700, exist_ok=True)
                file.touch(mode=0o600, exist_ok=False)
                if isinstance(rows, pl.DataFrame):
                    write_frame(file, rows, table)
                else:
                    rows.sink_parquet(
                        file,
                        compression="zstd",
                        compression_level=1,
                        metadata=metadata_of(table),
                        arrow_schema=arrow_schema(table),
                    )
                _sync(file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return file

    def _drop(self, plan: Parts) -> None:
        """Rewrite the parts that hold dropped logs, found by the groups whose `logs` rows name them."""
        if not self._dropped:
            return
        gone = pl.col("log_id").is_in(sorted(self._dropped), nulls_equal=True)
        named = _holding(LOGS, plan[LOGS.name], gone)
        known = {_group(part) for part in plan[LOGS.name]}
        touched = {_group(part) for part in named}
        for table in PARSED:
            parts = plan[table.name]
            maybe = {part: parts[part] for part in parts if _group(part) in touched or _group(part) not in known}
            for part in named if table is LOGS else _holding(table, maybe, gone):
                parts[part] = self._stage(table, _scan(table, [parts[part]]).filter(~gone))
                if not _holding(table, {part: parts[part]}, pl.lit(True)):
                    del parts[part]

    def _add(self, plan: Parts) -> None:
        for name, parts in self._staged.items():
            for part, file in parts.items():
                before = self._current.get(name, {}).get(part)
                if file is None:
                    plan[name].pop(part, None)
                elif before and filecmp.cmp(before, file, shallow=False):
                    plan[name][part] = before
                else:
                    plan[name][part] = file

    def _upgrade(self, plan: Parts) -> None:
        """Rewrite a table whose columns have changed since, so that all its parts have one schema."""
        for table in TABLES.values():
            parts = plan[table.name]
            if EMPTY in parts and (
                parts[EMPTY].is_relative_to(self._staging)
                or pl.scan_parquet(parts[EMPTY], glob=False).collect_schema() == table.schema
            ):
                continue
            for part, file in parts.items():
                if not file.is_relative_to(self._staging):
                    parts[part] = self._stage(table, _scan(table, [file]))
            parts[EMPTY] = self._stage(table, table.empty().lazy())

    def _compact(self, plan: Parts) -> None:
        """Merge many small groups. Only those that `new_part` named: a part that is replaced by name keeps its name."""
        sizes = {_group(part): 0 for part in sorted(plan[LOGS.name]) if FRESH.fullmatch(_group(part))}
        for table in PARSED:
            for part, file in plan[table.name].items():
                if _group(part) in sizes:
                    sizes[_group(part)] += file.stat().st_size
        small = [group for group, size in sizes.items() if size < SMALL_BYTES]
        if len(small) <= MANY_SMALL:
            return
        for groups in _batches({group: sizes[group] for group in small}):
            if len(groups) == 1:
                continue
            merged = self.new_part()
            for table in PARSED:
                parts = [part for part in sorted(plan[table.name]) if _group(part) in groups]
                if files := [plan[table.name].pop(part) for part in parts]:
                    plan[table.name][merged] = self._stage(table, _scan(table, files))

    def _publish(self, plan: Parts) -> None:
        home, number = self._store.home, self._number + 1
        building = home / "building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        for name, parts in plan.items():
            folder = building / name
            folder.mkdir(mode=0o700)
            only_adds = set(self._current.get(name, {}).values()) <= set(parts.values())
            for part, file in parts.items():
                if file.is_relative_to(self._staging):
                    file.rename(folder / f"{part}.{number}.parquet")
                else:
                    _hard_link(file, folder / (file.name if only_adds else f"{part}.{number}.parquet"))
            _sync(folder)
        _sync(building)
        shutil.rmtree(home / str(number), ignore_errors=True)
        building.rename(home / str(number))
        _sync(home)
        self._store.swing(number)
        self._store.sweep(keep={self._number, number})
        self._number, self._current = number, _parts(home / str(number))


def _parts(generation: Path) -> Parts:
    """The parts of each table of a generation, sorted by name. The directory is the manifest."""
    return {
        folder.name: {file.name.split(".")[0]: file for file in sorted(folder.glob("*.parquet"))}
        for folder in sorted(generation.iterdir())
        if folder.is_dir()
    }


def _scan(table: Table, files: Sequence[Path], file: str | None = None) -> pl.LazyFrame:
    """Rows of these files with the columns of `table`; `file` names a column for the path, if one is wanted."""
    return pl.scan_parquet(
        list(files),
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        include_file_paths=file,
        glob=False,
    ).select(*table.schema.names(), *([file] if file else []))


def _holding(table: Table, parts: Mapping[str, Path], condition: pl.Expr) -> list[str]:
    """The parts with at least one row for which `condition` is true."""
    if not parts:
        return []
    found = _scan(table, list(parts.values()), file="file").filter(condition).select(pl.col("file").unique()).collect()
    files = set(found["file"])
    return [part for part, file in parts.items() if str(file) in files]


def _group(part: str) -> str:
    return re.sub(r"-[0-9]+$", "", part)


def _valid(part: str) -> None:
    if not PART.fullmatch(part) or part == EMPTY:
        raise ValueError(f"not a part's name: {part!r}; letters, digits and _, then -<number>, and not {EMPTY!r}")


def _batches(sizes: Mapping[str, int]) -> list[set[str]]:
    """The groups in their order, cut where a batch reaches FULL_BYTES."""
    batches: list[set[str]] = [set()]
    filled = 0
    for group, size in sizes.items():
        if filled >= FULL_BYTES:
            batches.append(set())
            filled = 0
        batches[-1].add(group)
        filled += size
    return batches


def _hard_link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # no hard links here (exFAT, some network mounts), or too many of this file
        shutil.copyfile(source, target)
        target.chmod(0o600)
        _sync(target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _errors(what: str, then: str) -> Generator[None]:
    """Turn what the system or polars says into one sentence: what, where, why, what to do."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        text = said or (str(error) or type(error).__name__).splitlines()[0]
        reason = re.sub(r"^.*(?:IO error: |Detail: \[errno [0-9]+\] )", "", text)  # polars', pyarrow's preamble
        raise StoreError(f"{what}: {reason}; {then}") from error
