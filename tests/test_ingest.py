"""From folders of logs to tables: what is read again, what follows a move, what is kept, what never reaches a disk."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from reading import AT, FORMATS, SAMPLES, Read, assert_same_in_pieces, assert_same_rows
from trainqc.pipeline import batches, match
from trainqc.pipeline import ingest as room
from trainqc.pipeline.chunks import read_chunks
from trainqc.pipeline.discover import discover
from trainqc.pipeline.ingest import Ingested, ingest
from trainqc.pipeline.store import Store, Writer
from trainqc.pipeline.tables import PARSED, TABLES

LINE = (
    "2024/04/15 22:{m:02}:04 - mmengine - INFO - Iter(train) [{n:>4}/9000]  lr: 1.0000e-04  time: 1.0  loss: {loss}\n"
)


def log(n: int, loss: float = 0.5) -> str:
    return "".join(LINE.format(m=i % 60, n=10 * i, loss=loss) for i in range(1, n + 1))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    for name, n in (("a/train.log", 3), ("b/train.log", 4), ("c.log", 5)):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(log(n))
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def read(*paths: Path, out: Path, jobs: int = 2) -> Ingested:
    return ingest(paths, out, FORMATS, jobs=jobs)


def counts(done: Ingested) -> tuple[int, int, int]:
    return done.seen, done.read, done.unchanged


def table(out: Path, name: str) -> pl.DataFrame:
    return Store(out).read(TABLES[name])


def statuses(out: Path) -> dict[str, str]:
    rows = table(out, "logs")
    return dict(zip(rows["path"], rows["status"], strict=True))


def records(out: Path) -> dict[str, int]:
    rows = table(out, "logs").join(table(out, "progress").group_by("log_id").len(), on="log_id", how="left")
    found = dict(zip(rows["path"], rows["len"].fill_null(0), strict=True))
    assert found == dict(zip(rows["path"], rows["records"], strict=True))
    return found


# ── what is read again ───────────────────────────────────────────────────────────────────────────────────────────────

COUNT_OPENS = """
import sys
from pathlib import Path
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.registry import formats
logs, out = Path(sys.argv[1]), Path(sys.argv[2])
opened = []
def audit(event, args):
    if event == "open" and str(args[0]).startswith(str(logs)):
        opened.append(args[0])
sys.addaudithook(audit)
for _ in range(2):
    opened.clear()
    done = ingest([logs], out, formats(), jobs=2)
    print(len(opened), done.read, done.unchanged)
"""


def test_unchanged_logs_cost_a_stat(logs: Path, out: Path) -> None:
    """A second run opens none of the logs (counted by the interpreter's own audit of every open)."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_OPENS, str(logs), str(out)], capture_output=True, text=True, check=True
    )
    assert [tuple(map(int, line.split())) for line in done.stdout.splitlines()] == [(3, 3, 0), (0, 0, 3)]


def test_a_grown_log_is_read_again(logs: Path, out: Path) -> None:
    """A log that has grown has its new rows, once; the others are left alone."""
    read(logs, out=out)
    with (logs / "c.log").open("a") as file:
        file.write(log(2))
    assert counts(read(logs, out=out)) == (3, 1, 2)
    assert records(out) == {"a/train.log": 3, "b/train.log": 4, "c.log": 7}


def test_a_grown_log_keeps_the_size_it_had(logs: Path, out: Path) -> None:
    """The size at the read before stays beside the new one, also when nothing changed since: it proves a writer."""
    read(logs, out=out)
    assert table(out, "logs")["bytes_before"].null_count() == 3
    (logs / "c.log").write_text(log(9))
    for _ in range(2):
        read(logs, out=out)
        grown = table(out, "logs").filter(pl.col("bytes_before").is_not_null())
        assert grown.select("path", "bytes_before", "bytes").rows() == [("c.log", len(log(5)), len(log(9)))]


def test_a_changed_log_is_read_again(logs: Path, out: Path) -> None:
    """A log of the same size with another time is read again: its old rows are gone."""
    read(logs, out=out)
    (logs / "c.log").write_text(log(5, loss=0.7))
    os.utime(logs / "c.log", (1, 1))
    assert counts(read(logs, out=out)) == (3, 1, 2)
    rows = table(out, "metrics").filter(pl.col("name") == "loss")
    assert sorted(set(rows["value"])) == [0.5, 0.7]
    assert rows.height == 12


def test_a_moved_log_takes_its_rows_along(logs: Path, out: Path) -> None:
    """A log at another address with the same size and ends replaces the one that is gone: nothing counts twice."""
    (logs / "c.log").write_text(log(5, loss=0.9))
    read(logs, out=out)
    (logs / "deep").mkdir()
    (logs / "c.log").rename(logs / "deep/c.log")
    read(logs, out=out)
    assert records(out) == {"a/train.log": 3, "b/train.log": 4, "deep/c.log": 5}


def test_a_copy_is_a_log_of_its_own(logs: Path, out: Path) -> None:
    """While both exist they are two logs: whether they are one run is for the analysis."""
    read(logs, out=out)
    shutil.copy(logs / "c.log", logs / "d.log")
    read(logs, out=out)
    assert records(out) == {"a/train.log": 3, "b/train.log": 4, "c.log": 5, "d.log": 5}


def test_a_vanished_log_keeps_its_rows(logs: Path, out: Path) -> None:
    """Scratch space is purged, history is not."""
    read(logs, out=out)
    (logs / "c.log").unlink()
    assert counts(read(logs, out=out)) == (2, 0, 2)
    assert records(out)["c.log"] == 5


def test_roots_do_not_disturb_each_other(logs: Path, out: Path) -> None:
    """Two roots in one call or in two calls: the same tables, and one call does not drop what the other read."""
    read(logs / "a", out=out)
    read(logs / "b", logs / "c.log", out=out)
    assert records(out) == {"train.log": 4, "c.log": 5} | {"train.log": records(out)["train.log"]}
    assert table(out, "logs").height == 3
    assert table(out, "progress").height == 12
    assert counts(read(logs / "a", logs / "b", logs / "c.log", out=out)) == (3, 0, 3)


@pytest.mark.parametrize("first", ["folder", "file"])
def test_a_log_under_two_roots_is_one_log(logs: Path, out: Path, first: str) -> None:
    """A log that is given by its folder and by itself has one address: its rows do not stand twice."""
    roots = [logs, logs / "c.log"]
    for root in roots if first == "folder" else roots[::-1]:
        read(root, out=out)
    assert table(out, "progress").height == 12


# ── what cannot be read ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_log_without_permission(logs: Path, out: Path) -> None:
    """A log that may not be opened is a row with the reason, and the others are read."""
    (logs / "c.log").chmod(0)
    assert read(logs, out=out).unreadable == 1
    assert statuses(out)["c.log"] == "unreadable"


def test_a_log_that_cannot_be_opened(logs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system is a row with its words; the next run tries again."""

    def refuse(log: batches.Log) -> bytes | None:
        if log.address.endswith("c.log"):
            raise PermissionError(13, "Permission denied")
        return opens(log)

    opens = batches._whole
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_whole", refuse)
        assert read(logs, out=out).unreadable == 1
    row = table(out, "logs").filter(pl.col("path") == "c.log").row(0, named=True)
    assert (row["status"], row["message"], row["records"]) == ("unreadable", "Permission denied", 0)


def test_empty_and_foreign_files(logs: Path, out: Path) -> None:
    """Every log has a status and, where it was not parsed, a reason."""
    (logs / "empty.log").touch()
    (logs / "notes.txt").write_text("buy milk\n")
    read(logs, out=out)
    found = statuses(out)
    assert (found["empty.log"], found["notes.txt"], found["c.log"]) == ("empty", "unrecognized", "parsed")
    rows = table(out, "logs").filter(pl.col("status") == "unrecognized")
    assert rows["message"].to_list() == ["1 lines, no step, epoch or iteration counter found"]


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def parsed(out: Path) -> dict[str, Read]:
    """Path → what the tables hold of the log."""
    logs = table(out, "logs")
    tables = {t.name: Store(out).read(t) for t in PARSED if t.name not in ("logs", "sources")}
    found: dict[str, Read] = {}
    for log_id, path, formats in zip(logs["log_id"], logs["path"], logs["formats"], strict=True):
        mine = {
            name: t.filter(pl.col("log_id") == log_id).with_columns(log_id=pl.lit("0")) for name, t in tables.items()
        }
        ledger = logs.filter(pl.col("log_id") == log_id).select(
            "lines", "lines_parsed", "lines_known", "lines_unknown", "records", "status"
        )
        found[path] = Read(mine, ledger, {0: set(formats)})
    return found


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "logs"
    shutil.copytree(SAMPLES, folder)
    for file in folder.rglob("*"):
        os.utime(file, (AT.timestamp(), AT.timestamp()))
    return folder


@pytest.mark.parametrize("size", [40_000])
def test_batches_and_pieces_give_the_same_tables(
    samples: Path, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small logs in one batch, and the same logs as large files in pieces of a few lines: the same rows."""
    read(samples, out=tmp_path / "whole")
    monkeypatch.setattr(batches, "CHUNK_BYTES", size)
    monkeypatch.setattr(batches, "read_chunks", partial(read_chunks, size=size))
    read(samples, out=tmp_path / "pieces")
    whole, pieces = parsed(tmp_path / "whole"), parsed(tmp_path / "pieces")
    assert whole.keys() == pieces.keys()
    for path in whole:
        assert_same_in_pieces(whole[path], pieces[path])


def test_reading_begins_while_the_search_goes_on(logs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search waits here until the first log is opened, and all logs are counted."""
    load, begun = room.load, threading.Event()

    def load_first(batch: batches.Batch) -> list[batches.Log]:
        begun.set()
        return load(batch)

    def search(paths: list[Path], *, out: Path, at_once: int) -> Iterator[pl.DataFrame]:
        found = discover(paths, out=out)
        yield found.head(1)
        assert begun.wait(60)
        yield found.slice(1)

    monkeypatch.setattr(room, "load", load_first)
    monkeypatch.setattr(room, "portions", search)
    assert counts(read(logs, out=out)) == (3, 3, 0)
    assert records(out) == {"a/train.log": 3, "b/train.log": 4, "c.log": 5}


def test_what_is_left_out_stays_told_within_a_long_command(
    logs: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit of a command holds what was left out: a killed one does not take it away."""
    (logs / "a.png").write_bytes(b"x")
    read(logs, out=out)
    for name in ("a/train.log", "b/train.log", "c.log"):
        (logs / name).write_text(log(6))
    commit, told = Writer.commit, []

    def commits(writer: Writer) -> int:
        number = commit(writer)
        told.append("*.png" in statuses(out))
        return number

    monkeypatch.setattr(Writer, "commit", commits)
    monkeypatch.setattr(room, "COMMIT_EVERY_S", -1.0)
    monkeypatch.setattr(batches, "BATCH_LOGS", 1)
    read(logs, out=out)
    assert len(told) > 2
    assert all(told)


def test_a_late_piece_is_counted(logs: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of a large log counts all its pieces, also where the first of them is worked on the longest."""
    (logs / "c.log").write_text(log(60))
    settle = match.settle

    def dawdle(claims: object, formats: object, state: match.State, anchors: object) -> object:
        if state.line == 0:
            time.sleep(0.3)  # provokes the order; nothing is timed
        return settle(claims, formats, state, anchors)  # type: ignore[arg-type]

    monkeypatch.setattr(match, "settle", dawdle)
    monkeypatch.setattr(batches, "CHUNK_BYTES", 3000)
    monkeypatch.setattr(batches, "read_chunks", partial(read_chunks, size=3000))
    read(logs / "c.log", out=out, jobs=4)
    row = table(out, "logs").row(0, named=True)
    assert (row["lines"], row["records"]) == (60, 60)


def test_reading_is_one_batch_ahead(samples: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the logs that lie in memory unread there are no more than a batch for each thread, and one."""
    monkeypatch.setattr(batches, "BATCH_LOGS", 1)
    load, work, held, most = room.load, room._work, set[str](), [0]

    def loads(batch: batches.Batch) -> list[batches.Log]:
        aside = load(batch)
        held.add(batch.part)
        most.append(len(held))
        return aside

    def works(batch: batches.Batch, *rest: object) -> Ingested:
        done = work(batch, *rest)  # type: ignore[arg-type]
        held.discard(batch.part)
        return done

    monkeypatch.setattr(room, "load", loads)
    monkeypatch.setattr(room, "_work", works)
    read(samples, out=out, jobs=2)
    assert 2 <= max(most) <= 3


def test_threads_change_nothing(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker or four: the same tables."""
    monkeypatch.setattr(batches, "BATCH_LOGS", 2)
    for jobs in (1, 4):
        read(samples, out=tmp_path / str(jobs), jobs=jobs)
    for name in (t.name for t in PARSED):
        assert_same_rows(table(tmp_path / "1", name), table(tmp_path / "4", name), name)


KILLED = """
import os, signal, sys
from pathlib import Path
from trainqc.pipeline import batches, ingest, store
from trainqc.pipeline.registry import formats
batches.BATCH_LOGS = 1
write, left = store.Writer.write, [int(sys.argv[3])]
def writes(self, part, tables):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, part, tables)
store.Writer.write = writes
ingest.ingest([Path(sys.argv[1])], Path(sys.argv[2]), formats(), jobs=2)
"""


@pytest.mark.parametrize("after", [0, 2])
def test_a_killed_command_leaves_what_was(logs: Path, out: Path, after: int) -> None:
    """After `kill -9` the tables are those of before, and the next run reads what is missing."""
    read(logs / "a", out=out)
    before = {t.name: table(out, t.name) for t in PARSED}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(logs), str(out), str(after)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL
    for name, rows in before.items():
        assert_same_rows(rows, table(out, name), name)
    read(logs, out=out)
    assert table(out, "progress").height == 12


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_secret_reaches_the_disk(tmp_path: Path, out: Path) -> None:
    """Fake keys in a configuration, metrics' words, events, citations and a bar's text: the output folder has none."""
    keys = [*(part + "Zq7" * 8 for part in ("hf_", "sk-", "ghp_")), "AKIA" + "ZQ7" * 5]
    text = (
        f"2024/04/15 22:47:04 - mmengine - INFO - Config:\nhub = dict(token='{keys[0]}', api_key='Zq7Zq7secret')\n"
        f"url = 'https://me:Zq7Zq7pass@host/x'\n2024/04/15 22:47:05 - mmengine - INFO - \n"
        f"2024/04/15 22:47:05 - mmengine - INFO - Checkpoints will be saved to /home/{keys[1]}.\n"
        f"2024/04/15 22:47:06 - mmengine - INFO - Iter(train) [  10/100]  lr: {keys[3]}  note: {keys[2]}  loss: 0.5\n"
        f"upload {keys[2]}:  10%|#         | 1/10 [00:01<00:09,  1.00s/it, key={keys[0]}, loss=0.5]\n"
        f"Iter(train) [{keys[1]}\n"
        f"Iter(test) {'x' * 90} {keys[0]}\n"  # where an issue's text ends
        f"2024/04/15 22:47:06 - mmengine - INFO - Saving checkpoint at 10 iterations {'x' * 200} {keys[0]}\n"
    )
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "x.log").write_text(text)
    read(folder, out=out)
    assert table(out, "progress").height == 2
    assert table(out, "issues").height
    for file in (f for f in out.rglob("*") if f.is_file()):
        assert not [key for key in (b"Zq7", b"ZQ7") if key in file.read_bytes()], file
    for name in (t.name for t in PARSED):
        assert "zq7" not in table(out, name).drop("formats", strict=False).write_csv().lower()
