"""The store: what is written is what is read, by one writer at a time, without waste on disk."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from trainqc.pipeline import store as room
from trainqc.pipeline.store import EMPTY, MARKER, Store, StoreBusy, StoreError
from trainqc.pipeline.tables import FACTS, LOGS, METRICS, PROGRESS, RUNS, TABLES, Table


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


def rows(*log_ids: str, value: float = 1.0) -> dict[str, pl.DataFrame]:
    """A `logs` row and a `metrics` row for each log."""
    return {
        "logs": pl.DataFrame({"log_id": log_ids}),
        "metrics": pl.DataFrame({"log_id": log_ids, "value": [value] * len(log_ids)}),
    }


def files(store: Store, table: str = "*") -> dict[str, int]:
    """Name → inode of the files that a plain glob finds, the empty part left out."""
    paths = store.link.glob(f"{table}/*.parquet")
    return {path.name: path.stat().st_ino for path in paths if not path.name.startswith("empty.")}


def values(store: Store) -> dict[str, float]:
    frame = store.read(METRICS)
    return dict(zip(frame["log_id"], frame["value"], strict=True))


def test_nothing_yet(store: Store) -> None:
    """Where nothing was written, tables are empty frames of the right schema and reading leaves no trace."""
    assert not store.exists()
    assert store.read(RUNS).schema == RUNS.schema
    assert store.scan(RUNS).collect().is_empty()
    assert not store.out.exists()


def test_a_commit_makes_rows_visible(store: Store) -> None:
    """Rows are seen after commit, not before, also by a plain glob, with all columns of the table."""
    with store.writer("test") as writer:
        writer.write(writer.new_part(), rows("a", "b"))
        assert not store.exists()
        assert writer.commit() == 1
    assert store.exists()
    assert store.read(METRICS).schema == METRICS.schema
    assert values(store) == {"a": 1.0, "b": 1.0}
    assert pl.read_parquet(store.link / "metrics/*.parquet")["log_id"].to_list() == ["a", "b"]
    assert pl.read_parquet(store.link / "gpu/*.parquet").is_empty()


def test_what_is_not_committed_is_discarded(store: Store) -> None:
    """Leaving the writer without commit, or by an exception, leaves no rows and no files."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
    with contextlib.suppress(RuntimeError), store.writer("test") as writer:
        writer.write("p", rows("a"))
        raise RuntimeError
    assert not store.exists()
    assert sorted(path.name for path in store.home.iterdir()) == ["lock"]


def test_output_is_for_its_owner_alone(store: Store) -> None:
    """Folders are 0700, files 0600 whatever the umask, and the marker is there."""
    before = os.umask(0)
    try:
        with store.writer("test") as writer:
            writer.write("p", rows("a"))
            writer.commit()
    finally:
        os.umask(before)
    assert (store.out / MARKER).exists()
    for path in (store.out, *store.out.rglob("*")):
        if not path.is_symlink():
            assert oct(path.stat().st_mode & 0o777) == ("0o700" if path.is_dir() else "0o600"), path


def test_folders_of_others_are_not_taken(tmp_path: Path) -> None:
    """A folder that holds anything else does not become an output folder, in which logs would be hidden."""
    (tmp_path / "run.log").write_text("text")
    with pytest.raises(StoreError, match="holds files but no trainqc output"), Store(tmp_path).writer("test"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run.log"]


def test_output_that_cannot_be_made(tmp_path: Path) -> None:
    """An output path below a file is an error that says where and what to do."""
    (tmp_path / "file").write_text("text")
    with pytest.raises(StoreError, match=r"cannot use .*file/out.*--out"), Store(tmp_path / "file/out").writer("test"):
        pass


def test_a_second_writer_is_told_who_is_busy(store: Store) -> None:
    """A second writer, also of another process, gets StoreBusy with the command, pid and host of the first."""
    code = (
        "import pathlib, sys; from trainqc.pipeline.store import Store\n"
        "with Store(pathlib.Path(sys.argv[1])).writer('second'): pass"
    )
    with store.writer("trainqc run logs") as writer:
        with pytest.raises(StoreBusy, match=rf"trainqc run logs \(pid {os.getpid()} on .*, since 2"), store.writer("x"):
            pass
        other = subprocess.run(
            [sys.executable, "-c", code, str(store.out)], capture_output=True, text=True, check=False
        )
        assert other.returncode == 1
        assert f"StoreBusy: {store.out} is being written by trainqc run logs (pid {os.getpid()}" in other.stderr
        writer.write("p", rows("a"))
        writer.commit()
    with store.writer("next"):
        pass
    assert values(store) == {"a": 1.0}


def test_unchanged_parts_are_links(store: Store) -> None:
    """A commit that only adds keeps the other files, name and inode."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
        before = files(store)
        writer.write("q", rows("b"))
        writer.commit()
    assert before.items() < files(store).items()
    assert values(store) == {"a": 1.0, "b": 1.0}


def test_rows_are_written_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is written when it is given and never again by the commits after it, the first one included."""
    staged: list[str] = []
    stage = room.Writer._stage
    monkeypatch.setattr(
        room.Writer, "_stage", lambda self, table, data: staged.append(table.name) or stage(self, table, data)
    )
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.write("q", rows("b"))
        writer.commit()
        writer.write("r", rows("c"))
        writer.commit()
    assert staged.count("metrics") == 3 + 1, "three parts and the empty one"


def test_no_name_outlives_a_removal(store: Store) -> None:
    """When rows leave a table, all its files get new names, as links: a reader that listed the old ones cannot mix."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.write("q", rows("b", "c"))
        writer.commit()
        before = files(store, "metrics")
        writer.drop_logs(["b"])
        writer.commit()
    after = files(store, "metrics")
    assert not before.keys() & after.keys()
    assert after["p.2.parquet"] == before["p.1.parquet"]
    assert values(store) == {"a": 1.0, "c": 1.0}


def test_dropping_rewrites_only_what_holds_the_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups whose `logs` rows do not name a dropped log are not even read; parts of its group are."""
    with store.writer("test") as writer:
        writer.write("g-0", rows("a", "b"))
        writer.write("g-1", {"metrics": pl.DataFrame({"log_id": ["a"], "value": [2.0]})})
        writer.write("h", rows("c"))
        writer.write("loose", {"facts": pl.DataFrame({"log_id": ["a", None, "c"], "name": ["x", "y", "z"]})})
        writer.commit()
        looked: dict[str, set[str]] = {}
        real = room._holding

        def spy(table: Table, parts: dict[str, Path], condition: pl.Expr) -> list[str]:
            looked.setdefault(table.name, set()).update(parts)
            return real(table, parts, condition)

        monkeypatch.setattr(room, "_holding", spy)
        writer.drop_logs(["a"])
        writer.commit()
    assert looked["logs"] >= {"g-0", "h"}
    assert looked["metrics"] == {"g-0", "g-1"}, "not h, whose logs are known"
    assert looked["facts"] == {"loose"}
    assert values(store) == {"b": 1.0, "c": 1.0}
    assert store.read(FACTS)["name"].to_list() == ["y", "z"]
    assert "g-1.2.parquet" not in files(store), "a part without rows is gone"


@pytest.mark.parametrize("first", ["drop", "write"])
def test_a_grown_log_is_dropped_and_written_in_either_order(store: Store, first: str) -> None:
    """`drop_logs` concerns rows of earlier commits only."""
    with store.writer("test") as writer:
        writer.write("p", rows("a", "b"))
        writer.commit()
        for step in ("drop", "write") if first == "drop" else ("write", "drop"):
            if step == "drop":
                writer.drop_logs(["a"])
            else:
                writer.write("q", rows("a", value=2.0))
        writer.commit()
    assert values(store) == {"a": 2.0, "b": 1.0}


def test_replacing_with_the_same_rows_changes_nothing(store: Store) -> None:
    """The same derived rows again make no generation; other rows or none replace the part."""
    runs = pl.DataFrame({"run_id": ["r"], "s_per_iter": [float("nan")]})
    with store.writer("test") as writer:
        writer.replace(RUNS, runs)
        assert writer.commit() == 1
        writer.replace(RUNS, runs)
        assert writer.commit() == 1
        writer.replace(RUNS, runs.head(0))
        assert writer.commit() == 2
        assert store.read(RUNS).is_empty()
        writer.replace(RUNS, pl.DataFrame({"run_id": ["a"]}))
        writer.replace(RUNS, pl.DataFrame({"run_id": ["b"]}))
        writer.commit()
    assert store.read(RUNS)["run_id"].to_list() == ["b"]


def test_replaced_facts_survive_the_drop_of_their_log(store: Store) -> None:
    """Facts of the user, given again while their log is read again, are there after the commit."""
    facts = pl.DataFrame({"log_id": ["a"], "name": ["num_samples"], "source": ["user"]})
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.replace(FACTS, facts, "user")
        writer.commit()
        writer.replace(FACTS, facts, "user")
        writer.drop_logs(["a"])
        writer.write("q", rows("a"))
        writer.commit()
    assert store.read(FACTS)["name"].to_list() == ["num_samples"]


def test_two_generations_stay(store: Store) -> None:
    """The generation before the current one is kept for readers in mid-query; older ones go."""
    with store.writer("test") as writer:
        for number in range(5):
            writer.write(writer.new_part(), rows(str(number)))
            query = store.scan(METRICS)
            writer.commit()
            assert query.collect().height == number
    assert {path.name for path in store.home.iterdir()} == {"lock", "4", "5"}


def test_a_reader_that_commits_overtake_asks_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the generation that a read began with is gone, `read` takes the current one; `scan` of a view fails."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
        view = store.pinned()
        real = room._parts
        late = iter([True])

        def overtaken(generation: Path) -> room.Parts:
            if next(late, False):
                for name in "qrs":
                    writer.write(name, rows(name))
                    writer.commit()
            return real(generation)

        monkeypatch.setattr(room, "_parts", overtaken)
        assert sorted(values(store)) == ["a", "q", "r", "s"]
        with pytest.raises(FileNotFoundError):
            view.read(METRICS)


def test_a_pinned_view_stays(store: Store) -> None:
    """Tables read through one pinned view are of one generation, whatever is committed meanwhile."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
        view = store.pinned()
        writer.write("q", rows("b"))
        writer.commit()
    assert view.read(LOGS).height == view.read(METRICS).height == 1
    assert store.read(LOGS).height == 2


def test_part_names_are_names(store: Store) -> None:
    """A part's name cannot leave its folder, and a part is written once."""
    with store.writer("test") as writer:
        for name in ("../x", "a/b", "", "a.b", "empty", "-1"):
            with pytest.raises(ValueError, match="not a part's name"):
                writer.write(name, rows("a"))
        writer.write("p", rows("a"))
        with pytest.raises(ValueError, match="already"):
            writer.write("p", rows("a"))
        writer.commit()
        with pytest.raises(ValueError, match="already"):
            writer.write("p", rows("a"))


def test_new_parts_are_new_for_ever(store: Store) -> None:
    """No part name comes twice, under one writer or a later one."""
    names: list[str] = []
    for _ in range(3):
        with store.writer("test") as writer:
            for _ in range(3):
                names.append(writer.new_part())
                writer.write(names[-1], rows("a"))
                writer.commit()
    assert len(set(names)) == 9


def test_threads_write_parts(store: Store) -> None:
    """Parts written by several threads at once are all there."""
    with store.writer("test") as writer, ThreadPoolExecutor(8) as pool:
        barrier = threading.Barrier(8)

        def write(number: int) -> None:
            barrier.wait()
            for k in range(3):
                writer.write(writer.new_part(), rows(f"{number}.{k}"))

        list(pool.map(write, range(8)))
        writer.commit()
    assert sorted(values(store)) == sorted(f"{n}.{k}" for n in range(8) for k in range(3))


def test_empty_parts_are_laid_out_once(store: Store) -> None:
    """What a writer lays out beside its caller's work is what a commit writes; later writers have nothing to do."""
    with store.writer("test") as writer:
        writer.lay_out()
        writer.write("p", rows("a"))
        writer.commit()
        laid_out = {file.parent.name for file in store.link.glob(f"*/{EMPTY}.*")}
    assert laid_out == set(TABLES)
    with store.writer("test") as writer:
        writer.lay_out()
        assert not list(store.home.glob("staging/*/*"))
    assert sorted(values(store)) == ["a"]


def test_units_and_meanings_are_in_the_files(store: Store) -> None:
    """Every field carries unit and description, every file its table and version, in new and in rewritten parts."""
    with store.writer("test") as writer:
        writer.write("p", rows("a", "b"))
        writer.commit()
        writer.drop_logs(["a"])
        writer.commit()
    paths = list(store.link.glob("*/*.parquet"))
    assert {path.parent.name for path in paths} == set(TABLES)
    for path in paths:
        table = TABLES[path.parent.name]
        schema = pq.read_schema(path)
        for column in table.columns:
            expected = {b"unit": column.unit.encode(), b"description": column.meaning.encode()}
            assert schema.field(column.name).metadata == expected
        metadata = pq.read_metadata(path).metadata
        assert metadata[b"trainqc.table"] == table.name.encode()
        assert metadata[b"trainqc.version"] == str(table.version).encode()


def test_a_reader_can_pass_over_files_of_other_logs(store: Store) -> None:
    """A file of one log names it in its statistics; one of many does not, which would exclude nothing."""
    with store.writer("test") as writer:
        writer.write("one", rows("a"))
        writer.write("many", rows("a", "b"))
        writer.commit()
    named = {}
    for path in store.link.glob("metrics/*.parquet"):
        for column in (
            pq.read_metadata(path).row_group(n).column(0) for n in range(pq.read_metadata(path).num_row_groups)
        ):
            named[path.name.split(".")[0]] = column.statistics and column.statistics.min
    assert named == {"one": "a", "many": None}


def older(monkeypatch: pytest.MonkeyPatch, version: int, columns: int) -> None:
    """Make `metrics` another version's, with its last columns missing."""
    table = replace(METRICS, version=version, columns=(*METRICS.columns[:1], *METRICS.columns[-columns:]))
    monkeypatch.setitem(TABLES, "metrics", table)


def test_old_generations_with_fewer_columns(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that an older version did not write read as null; the first commit gives all parts the new columns."""
    with monkeypatch.context() as past:
        older(past, 1, 1)
        with store.writer("old") as writer:
            writer.write("p", rows("a"))
            writer.commit()
        assert pl.read_parquet(store.link / "metrics/*.parquet").columns == ["log_id", "value"]
    assert store.read(METRICS).schema == METRICS.schema
    assert values(store) == {"a": 1.0}
    with store.writer("new") as writer:
        writer.write("q", rows("b"))
        writer.commit()
    plain = pl.read_parquet(store.link / "metrics/*.parquet")
    assert plain.schema == METRICS.schema
    assert plain["value"].to_list() == [1.0, 1.0]


def test_an_old_table_without_its_empty_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying out is for new tables: one that has parts, but lost the file that tells their columns, is rewritten."""
    with monkeypatch.context() as before:
        older(before, version=METRICS.version - 1, columns=1)
        with store.writer("test") as writer:
            writer.write("p", {"metrics": pl.DataFrame({"log_id": ["a"], "value": [0.5]})})
            writer.commit()
    for file in store.link.glob(f"metrics/{EMPTY}.*"):
        file.unlink()
    with store.writer("test") as writer:
        writer.lay_out()
        writer.write("q", rows("b"))
        writer.commit()
    for file in store.link.glob("metrics/*.parquet"):
        assert pl.read_parquet_schema(file) == METRICS.schema


def test_tables_of_a_newer_version_are_not_touched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older trainqc refuses to write where a newer one did, before it changes anything."""
    with monkeypatch.context() as future:
        older(future, 99, 3)
        with store.writer("new") as writer:
            writer.write("p", rows("a"))
            writer.commit()
    with pytest.raises(StoreError, match="newer trainqc: update"), store.writer("old"):
        pass
    assert values(store) == {"a": 1.0}


def test_tables_that_nobody_knows_are_kept(store: Store) -> None:
    """A table of another version's is carried from generation to generation."""
    with store.writer("test") as writer:
        writer.commit()
        shutil.copytree(store.home / "1/runs", store.home / "1/from_elsewhere")
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
    assert (store.link / "from_elsewhere/empty.1.parquet").exists()


def test_a_missing_link_is_restored(store: Store) -> None:
    """Without the link `tables` the newest generation is read, and the next writer restores the link."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
    store.link.unlink()
    assert values(store) == {"a": 1.0}
    with store.writer("test"):
        assert values(store) == {"a": 1.0}
    assert store.link.readlink() == Path(".store/1")


@pytest.mark.parametrize("without_store", [True, False])
def test_a_copied_output_goes_on(store: Store, tmp_path: Path, without_store: bool) -> None:
    """A copy in which the link became a folder is read, and written on."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
        writer.write("q", rows("b"))
        writer.commit()
    copy = Store(tmp_path / "copy")
    shutil.copytree(store.out, copy.out, symlinks=False)
    if without_store:
        shutil.rmtree(copy.home)
    assert values(copy) == {"a": 1.0, "b": 1.0}
    with copy.writer("test") as writer:
        writer.drop_logs(["a"])
        writer.write(writer.new_part(), rows("c"))
        writer.commit()
    assert values(copy) == {"b": 1.0, "c": 1.0}
    assert copy.link.is_symlink()


def test_a_moved_output_goes_on(store: Store, tmp_path: Path) -> None:
    """The link is relative: the folder can be moved."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
    store.out.rename(tmp_path / "moved [1]*")
    moved = Store(tmp_path / "moved [1]*")
    with moved.writer("test") as writer:
        writer.drop_logs(["a"])
        writer.write("q", rows("b"))
        writer.commit()
    assert values(moved) == {"b": 1.0}


def test_without_hard_links_parts_are_copied(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without hard links the rows and the modes are the same."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(room.os, "link", refuse)
    with store.writer("test") as writer:
        for name in "abc":
            writer.write(name, rows(name))
            writer.commit()
    assert sorted(values(store)) == ["a", "b", "c"]
    assert {path.stat().st_mode & 0o777 for path in store.link.glob("*/*.parquet")} == {0o600}


def test_a_file_system_without_locks_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no locks the error says so and what to do."""

    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(room.fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"cannot lock .*lock: Function not implemented.*--out"), store.writer("x"):
        pass


def test_leftovers_are_swept(store: Store) -> None:
    """What a killed command leaves (staged parts, a half-built or never linked generation) goes with the next one."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
    for name in ("staging/metrics", "building/metrics", "2/metrics", "17"):
        (store.home / name).mkdir(parents=True)
    (store.home / "link").symlink_to("nowhere")
    with store.writer("test") as writer:
        assert {path.name for path in store.home.iterdir()} <= {"lock", "link", "1"}
        writer.write("q", rows("b"))
        assert writer.commit() == 2
    assert {path.name for path in store.home.iterdir()} == {"lock", "1", "2"}
    assert values(store) == {"a": 1.0, "b": 1.0}


def test_many_small_parts_are_merged(store: Store) -> None:
    """Small groups do not pile up: they are merged, with the same rows in the same order, and can still be dropped."""
    with store.writer("test") as writer:
        writer.replace(FACTS, pl.DataFrame({"log_id": ["5"], "name": ["n"]}), "user")
        writer.replace(LOGS, pl.DataFrame({"log_id": ["left out"]}), "named")
        for number in range(room.MANY_SMALL + 1):
            part = writer.new_part()
            writer.write(f"{part}-0", rows(str(number)))
            writer.write(f"{part}-1", {"progress": pl.DataFrame({"log_id": [str(number)], "line": [number]})})
        writer.commit()
        assert len(files(store, "metrics")) == len(files(store, "progress")) == 1
        assert "named.1.parquet" in files(store, "logs"), "what is replaced by name keeps its name"
        assert list(files(store, "facts")) == ["user.1.parquet"]
        assert store.read(PROGRESS)["line"].to_list() == list(range(room.MANY_SMALL + 1))
        writer.drop_logs(["5"])
        writer.commit()
    assert "5" not in values(store)
    assert store.read(PROGRESS).height == store.read(METRICS).height == room.MANY_SMALL
    assert store.read(FACTS).is_empty()


def test_large_parts_are_left_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only small groups are merged, and into parts of a bounded size."""
    monkeypatch.setattr(room, "MANY_SMALL", 4)
    monkeypatch.setattr(room, "SMALL_BYTES", 20_000)
    monkeypatch.setattr(room, "FULL_BYTES", 20_000)
    with store.writer("test") as writer:
        writer.write("large", {"logs": pl.DataFrame({"log_id": [os.urandom(16).hex() for _ in range(2000)]})})
        for number in range(12):
            writer.write(writer.new_part(), rows(str(number)))
        writer.commit()
    names = files(store, "logs")
    assert "large.1.parquet" in names
    assert 2 < len(names) < 12
    assert store.read(LOGS).height == 2012


def limit_file_size(size: int) -> tuple[int, int]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    return before


def test_a_full_disk_leaves_the_old_tables(store: Store) -> None:
    """Rows that find no room are an error that names file, reason and remedy; the tables stay; later writers work."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()
        large = pl.DataFrame({"log_id": [os.urandom(16).hex() for _ in range(20_000)]})
        before = limit_file_size(100_000)
        try:
            with pytest.raises(
                StoreError, match=r"cannot write rows of logs to .*\.parquet: File too large.*free some"
            ):
                writer.write("q", {"logs": large, "metrics": large})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert writer.commit() == 1
    assert values(store) == {"a": 1.0}
    with store.writer("test") as writer:
        writer.write("q", {"logs": large})
        writer.commit()
    assert store.read(LOGS).height == 20_001


@pytest.mark.parametrize("step", ["mkdir", "link", "rename", "symlink_to"])
def test_a_commit_that_fails_leaves_the_old_tables(store: Store, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever step of a commit finds the disk full, readers see the generation before, and a new writer works."""
    with store.writer("test") as writer:
        writer.write("p", rows("a"))
        writer.commit()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with store.writer("test") as writer:
        writer.write("q", rows("b"))
        with monkeypatch.context() as full:
            full.setattr(room.os if step == "link" else Path, step, refuse)
            full.setattr(room.shutil, "copyfile", refuse)
            with pytest.raises(StoreError, match=r"cannot commit to .*No space left on device; the tables are as they"):
                writer.commit()
    assert values(store) == {"a": 1.0}
    with store.writer("test") as writer:
        writer.write("q", rows("b"))
        writer.commit()
    assert values(store) == {"a": 1.0, "b": 1.0}
    assert {path.name for path in store.home.iterdir()} == {"lock", "1", "2"}


Rows = list[tuple[str | None, float]]
LOG_IDS = st.sampled_from(["a", "b", "c", "d"])


class AgainstAModel(RuleBasedStateMachine):
    """Any sequence of write, drop, replace and commit gives what dictionaries of rows give."""

    home: Path
    counter = 0

    def __init__(self) -> None:
        super().__init__()
        AgainstAModel.counter += 1
        self.store = Store(self.home / str(AgainstAModel.counter))
        self.committed: dict[str, dict[str, Rows]] = {"metrics": {}, "runs": {}}
        self.pending: dict[str, dict[str, Rows]] = {"metrics": {}, "runs": {}}
        self.dropped: set[str] = set()
        self.open()

    def open(self) -> None:
        self.context = self.store.writer("test")
        self.writer = self.context.__enter__()

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(log_ids=st.lists(LOG_IDS, min_size=1, unique=True), value=st.floats(0, 9), pieces=st.integers(1, 3))
    def write(self, log_ids: list[str], value: float, pieces: int) -> None:
        group = self.writer.new_part()
        self.writer.write(f"{group}-0", {"logs": pl.DataFrame({"log_id": log_ids})})
        for piece in range(pieces):
            frame = pl.DataFrame({"log_id": log_ids, "value": [value] * len(log_ids)})
            self.writer.write(f"{group}-{piece + 1}", {"metrics": frame})
            self.pending["metrics"][f"{group}-{piece + 1}"] = [(log_id, value) for log_id in log_ids]

    @rule(
        table=st.sampled_from(["metrics", "runs"]),
        part=st.sampled_from(["all", "user"]),
        content=st.lists(st.tuples(st.none() | LOG_IDS, st.floats(0, 9)), max_size=3),
    )
    def replace(self, table: str, part: str, content: Rows) -> None:
        key, number = ("log_id", "value") if table == "metrics" else ("run_id", "s_per_iter")
        schema = {key: pl.String, number: pl.Float64}
        self.writer.replace(TABLES[table], pl.DataFrame(content, schema=schema, orient="row"), part)
        self.pending[table][part] = content

    @rule(log_ids=st.lists(LOG_IDS, max_size=2))
    def drop(self, log_ids: list[str]) -> None:
        self.writer.drop_logs(log_ids)
        self.dropped.update(log_ids)

    @rule()
    def commit(self) -> None:
        self.writer.commit()
        metrics = self.committed["metrics"]
        self.committed["metrics"] = {
            part: [row for row in content if row[0] not in self.dropped] for part, content in metrics.items()
        }
        for table, parts in self.pending.items():
            self.committed[table].update(parts)
            parts.clear()
        self.dropped.clear()

    @rule()
    def abandon(self) -> None:
        """Leave without commit and come back."""
        self.context.__exit__(None, None, None)
        self.pending = {"metrics": {}, "runs": {}}
        self.dropped.clear()
        self.open()

    @invariant()
    def reads_the_same(self) -> None:
        if not self.store.exists():
            assert not any(self.committed.values())
            return
        for table, key, number in (("metrics", "log_id", "value"), ("runs", "run_id", "s_per_iter")):
            expected = in_order(row for content in self.committed[table].values() for row in content)
            frames = (self.store.read(TABLES[table]), pl.read_parquet(self.store.link / table / "*.parquet", glob=True))
            for frame in frames:
                assert in_order(frame.select(key, number).rows()) == expected


def in_order(content: Iterable[tuple[str | None, float]]) -> Rows:
    return sorted(content, key=lambda row: (row[0] or "", row[1]))


def test_any_sequence_equals_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any sequence of write, drop_logs, replace and commit, with compaction on the way, equals a plain dict."""
    monkeypatch.setattr(room, "MANY_SMALL", 2)
    monkeypatch.setattr(room, "FULL_BYTES", 12_000)
    monkeypatch.setattr(room.os, "fsync", lambda _: None)
    AgainstAModel.home = tmp_path
    run_state_machine_as_test(
        AgainstAModel, settings=settings(max_examples=25, stateful_step_count=15, deadline=None, database=None)
    )


@given(names=st.lists(st.sampled_from(["logs", "metrics", "runs", "facts"]), unique=True, min_size=1))
@settings(max_examples=5, deadline=None)
def test_a_plain_glob_finds_every_table(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """Whatever was written, each table of the contract can be read by a plain glob, with its schema."""
    store = Store(tmp_path_factory.mktemp("any") / "out")
    with store.writer("test") as writer:
        writer.write("p", {name: TABLES[name].empty().clear(1) for name in names})
        writer.commit()
    for table in TABLES.values():
        frame = pl.read_parquet(store.link / table.name / "*.parquet")
        assert frame.schema == table.schema
        assert frame.height == (table.name in names)
