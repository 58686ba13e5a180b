"""The store under `kill -9` at random moments, with readers from outside beside it.

The writer's generation n holds, for a number `mark`, the same mark in every row of two tables, and as many rows as the
`runs` row says: any row that is missing, twice, or of another generation is seen. Each generation adds a part, drops
an old one and replaces `runs`, so links, rewrites, removals and compaction all happen.
"""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import polars as pl
import pytest
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import LOGS, METRICS, RUNS

WRITER = """
import pathlib, sys
import polars as pl
from trainqc.pipeline import store as room
from trainqc.pipeline.tables import RUNS

room.MANY_SMALL = 6
store = room.Store(pathlib.Path(sys.argv[1]))
with store.writer("the writer that is killed") as writer:
    print("open", flush=True)
    while True:
        generation = store.generation()
        mark = int(generation.name) + 1 if generation else 1
        # log k is in generations k to k + 9, with k rows of metrics in two parts: see `holds`
        group = writer.new_part()
        writer.write(f"{group}-0", {"logs": pl.DataFrame({"log_id": [str(mark)]})})
        for piece in (1, 2):
            lines = range(piece, 2 * mark + 1, 2)
            frame = pl.DataFrame({"log_id": str(mark), "line": lines, "value": float(mark)})
            writer.write(f"{group}-{piece}", {"metrics": frame})
        writer.drop_logs([str(mark - 10)])
        writer.replace(RUNS, pl.DataFrame({"run_id": [str(mark)] * mark, "attempts": [mark] * mark}))
        assert writer.commit() == mark
        print(mark, flush=True)
"""


def holds(logs: pl.DataFrame | None, metrics: pl.DataFrame) -> int:
    """The one generation whose rows these are, exactly; AssertionError for any other set of rows."""
    counts = dict(metrics.group_by("log_id").len().iter_rows())
    newest = max(int(log_id) for log_id in counts)
    expected = {str(log): 2 * log for log in range(max(1, newest - 9), newest + 1)}
    assert counts == expected, "rows are missing or those of a dropped log are there"
    assert metrics.unique(["log_id", "line"]).height == metrics.height, "rows are there twice"
    if logs is not None:
        assert sorted(logs["log_id"]) == sorted(expected), "tables of one view are of two generations"
    return newest


def runs_hold(runs: pl.DataFrame) -> int:
    assert runs["attempts"].n_unique() == 1
    assert runs.height == runs["attempts"][0]
    return runs.height


def by_polars(out: Path, table: str) -> pl.DataFrame:
    return pl.read_parquet(f"{out}/tables/{table}/*.parquet")


def by_duckdb(out: Path, table: str) -> pl.DataFrame:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        return connection.sql(f"from '{out}/tables/{table}/*.parquet'").pl()


class Reader(threading.Thread):
    """Reads until told to stop; counts what it saw. The one excuse a reader from outside has is `no such file`."""

    def __init__(self, read: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.read = read
        self.seen: Counter[str] = Counter()
        self.newest = 0
        self.failure: BaseException | None = None
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.002):
            try:
                number = self.read()
            except FileNotFoundError:
                self.seen["gone"] += 1
            except BaseException as error:
                if type(error).__name__ == "IOException" and ("No such file" in str(error) or "No files" in str(error)):
                    self.seen["gone"] += 1
                    continue
                self.failure = error
                return
            else:
                assert self.newest <= number or self.stopped.is_set(), "an older generation came back"
                self.newest = number
                self.seen["exact"] += 1


def start(out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(out)], stdout=subprocess.PIPE, text=True)


def test_readers_beside_a_writer_that_is_killed(tmp_path: Path) -> None:
    """Killed at any moment, the writer leaves exact tables; readers see one whole generation or ask again."""
    out = tmp_path / "out"
    store = Store(out)

    def own() -> int:
        view = store.pinned()
        return holds(view.read(LOGS), view.read(METRICS))

    readers = [
        Reader(own),
        Reader(lambda: holds(None, by_polars(out, "metrics"))),
        Reader(lambda: runs_hold(by_polars(out, "runs"))),
        Reader(lambda: holds(None, by_duckdb(out, "metrics"))),
    ]
    chance = random.Random(5)
    for turn in range(8):
        writer = start(out)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n", "a writer works after a killed one"
        commits = [int(writer.stdout.readline()) for _ in range(3)]
        assert commits == list(range(commits[0], commits[0] + 3)), "each commit is the next generation"
        if turn == 0:
            for reader in readers:
                reader.start()
        time.sleep(chance.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        at_rest = holds(store.read(LOGS), store.read(METRICS))
        assert at_rest == runs_hold(store.read(RUNS)), "the tables agree at rest"
        assert at_rest >= commits[-1], "what was committed is there"
    for reader in readers:
        reader.stopped.set()
    for reader in readers:
        reader.join()
        if reader.failure:
            raise reader.failure
        assert reader.seen["exact"] > 0, reader.seen
    with store.writer("sweep"):
        pass
    assert len(list(store.home.iterdir())) == 3, "lock and two generations: leftovers do not pile up"
    assert [path.name for path in out.iterdir() if path.name != ".trainqc"] in (
        ["tables", ".store"],
        [".store", "tables"],
    )


class Killed(BaseException):
    """Stands for SIGKILL: once raised, every further change on disk raises it again, so no clean-up happens."""


CHANGES = ("mkdir", "link", "rename", "symlink", "unlink", "rmdir", "fsync", "ftruncate", "pwrite")


@contextlib.contextmanager
def killed_at(step: int) -> Generator[Counter[str]]:
    """Let `step` changes on disk happen and none after them; counts them all."""
    done: Counter[str] = Counter()

    def counted(name: str, change: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object, **options: object) -> object:
            if done.total() >= step:
                raise Killed
            done[name] += 1
            return change(*arguments, **options)

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        yield done


def change_everything(store: Store) -> None:
    with store.writer("killed at a step") as writer:
        writer.write("q", {"logs": pl.DataFrame({"log_id": ["new"]})})
        writer.drop_logs(["old"])
        writer.replace(RUNS, pl.DataFrame({"run_id": ["new"]}))
        writer.commit()


def test_killed_at_each_step(tmp_path: Path) -> None:
    """Killed before any one of its changes on disk, a command leaves the old tables or the new ones, and no rubbish."""
    seen: list[str] = []
    with Store(tmp_path / "model").writer("before") as writer:
        writer.write("p", {"logs": pl.DataFrame({"log_id": ["old"]})})
        writer.replace(RUNS, pl.DataFrame({"run_id": ["old"]}))
        writer.commit()
    for step in itertools.count():
        store = Store(tmp_path / str(step))
        shutil.copytree(tmp_path / "model", store.out, symlinks=True)
        with killed_at(step) as done, contextlib.suppress(Killed):
            change_everything(store)
        finished = done.total() < step
        (state,) = store.read(RUNS)["run_id"]
        assert store.read(LOGS)["log_id"].to_list() == [state]
        assert by_polars(store.out, "logs")["log_id"].to_list() == [state]
        seen.append(state)
        with store.writer("after") as writer:
            assert store.read(RUNS)["run_id"].to_list() == [state]
            writer.write(writer.new_part(), {"logs": pl.DataFrame({"log_id": ["after"]})})
            writer.commit()
        assert sorted(store.read(LOGS)["log_id"]) == ["after", state]
        assert len(list(store.home.iterdir())) == 3, "lock and two generations"
        shutil.rmtree(store.out)
        if finished:
            break
    assert set(done) == set(CHANGES), "each kind of change was met"
    assert seen == sorted(seen, reverse=True), "old until one step, new from then on"
    assert set(seen) == {"old", "new"}
