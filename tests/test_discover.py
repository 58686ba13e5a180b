"""What `discover` finds, leaves out, and cannot look at."""

import math
import os
import socket
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from trainqc.pipeline import discover as room
from trainqc.pipeline.discover import SCHEMA, discover, portions
from trainqc.pipeline.store import MARKER


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\n")
    return folder


def found(kind: str, *roots: Path, out: Path | None = None) -> dict[str, str | None]:
    """path → message of one kind of row."""
    rows = discover(roots, out=out).filter(pl.col("kind") == kind)
    return dict(zip(rows["path"], rows["message"], strict=True))


def logs(*roots: Path, out: Path | None = None) -> list[str]:
    return discover(roots, out=out).filter(pl.col("kind") == "log")["path"].to_list()


def test_a_log_has_size_time_and_owner(tmp_path: Path) -> None:
    """A log's row says where it is, how large, when it was changed and by whom."""
    log = make(tmp_path, "a/b/train.log") / "a/b/train.log"
    os.utime(log, ns=(0, 1_700_000_000_123_456_789))
    frame = discover([tmp_path], out=None)
    assert frame.schema == SCHEMA
    row = frame.row(0, named=True)
    assert row == {
        "root": str(tmp_path.resolve()),
        "path": "a/b/train.log",
        "bytes": 5,
        "modified_at": datetime(2023, 11, 14, 22, 13, 20, 123456, UTC),
        "owner": log.owner(),
        "kind": "log",
        "message": None,
    }


def test_text_has_any_ending(tmp_path: Path) -> None:
    """No ending, or one of a source file, a number or a compressed file does not keep a file from being a log."""
    names = ["log", "out.rb", "slurm-12.out", "train.log.1", "x.json.gz", "x.log.bz2", "x.xz", "x.zst", ".log", "v0.9"]
    assert logs(make(tmp_path, *names)) == sorted(names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("epoch_3.pth", "1 checkpoint (.pth)"),
        ("model.SAFETENSORS", "1 checkpoint (.safetensors)"),
        ("x.npy.gz", "1 array file (.npy.gz)"),
        ("weights.tar.gz", "1 archive (.tar.gz)"),
        ("weights.tgz", "1 archive (.tgz)"),
        ("a.7z", "1 archive (.7z)"),
        ("a.parquet", "1 array file (.parquet)"),
        ("a.jpeg", "1 image (.jpeg)"),
        ("a.mp4", "1 video (.mp4)"),
        ("a.wav", "1 audio file (.wav)"),
        ("a.so", "1 compiled file (.so)"),
        ("events.out.tfevents.1700000000.host.1.0", "1 TensorBoard file (.tfevents*)"),
    ],
)
def test_what_cannot_be_text_is_left_out(tmp_path: Path, name: str, message: str) -> None:
    """Checkpoints, arrays, archives, media and event files are left out by their ending, in any case of letters."""
    make(tmp_path, name)
    assert list(found("left_out", tmp_path).values()) == [message]
    assert logs(tmp_path) == []


def test_left_out_files_are_one_row_per_folder_and_ending(tmp_path: Path) -> None:
    """Many checkpoints are one row with their number, per folder and ending, under a path that is a pattern."""
    make(tmp_path, *(f"work/epoch_{n}.pth" for n in range(1200)), "work/a.pt", "other/b.pth", "work/run.log")
    assert found("left_out", tmp_path) == {
        "other/*.pth": "1 checkpoint (.pth)",
        "work/*.pt": "1 checkpoint (.pt)",
        "work/*.pth": "1,200 checkpoints (.pth)",
    }
    assert logs(tmp_path) == ["work/run.log"]


def test_nothing_is_opened(tmp_path: Path) -> None:
    """Looking for logs lists folders and opens no file; each folder is listed once."""
    make(tmp_path, "a.log", "b/c.log", "b/d.pth", "b/e/f.png")
    opened: list[str] = []
    listed: Counter[str] = Counter()
    recording = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if recording and str(tmp_path) in str(arguments[:1]):
            if event == "open":
                opened.append(str(arguments[0]))
            elif event == "os.scandir":
                listed[str(arguments[0])] += 1

    sys.addaudithook(hook)
    try:
        discover([tmp_path], out=None)
    finally:
        recording = False
    assert opened == []
    assert sorted(listed.values()) == [1, 1, 1]


def test_tools_folders_are_left_out(tmp_path: Path) -> None:
    """Version control, virtual environments, packages and caches are one row each and not searched."""
    make(tmp_path, "run.log", ".git/config", "a/.svn/x", "env/pyvenv.cfg", "env/lib/x.txt", "conda/conda-meta/history")
    make(tmp_path, "js/node_modules/x/readme", "src/__pycache__/x.txt")
    assert found("left_out", tmp_path) == {
        ".git": "folder left out: version control",
        "a/.svn": "folder left out: version control",
        "conda": "folder left out: a conda environment",
        "env": "folder left out: a virtual environment",
        "js/node_modules": "folder left out: packages",
        "src/__pycache__": "folder left out: compiled Python",
    }
    assert logs(tmp_path) == ["run.log"]


def test_a_root_inside_an_environment_is_searched(tmp_path: Path) -> None:
    """`python -m venv .` in the folder of the logs does not hide the logs when that folder is given."""
    assert logs(make(tmp_path, "pyvenv.cfg", "run.log")) == ["pyvenv.cfg", "run.log"]


def test_own_output_is_known_by_its_marker(tmp_path: Path) -> None:
    """Folders with trainqc's marker are left out, also when given as the root; the output folder itself is no row."""
    make(tmp_path, "run.log", f"old-out/{MARKER}", "old-out/report/index.md", "out/report/index.md")
    assert found("left_out", tmp_path, out=tmp_path / "out") == {"old-out": "folder left out: trainqc's own output"}
    assert logs(tmp_path, out=tmp_path / "out") == ["run.log"]
    assert found("left_out", tmp_path / "old-out") == {".": "folder left out: trainqc's own output"}


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    """Links to a parent, to each other and to themselves end; each file is found once under its real name."""
    make(tmp_path, "b/c/run.log")
    (tmp_path / "b/c/up").symlink_to(tmp_path)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "self.pth").symlink_to("self.pth")
    assert logs(tmp_path) == ["b/c/run.log"]
    assert found("unreadable", tmp_path) == {"self": "too many levels of symbolic links"}


def test_a_real_name_goes_before_a_link(tmp_path: Path) -> None:
    """`latest.log` is no second log, and its target keeps its address when `latest.log` moves on."""
    make(tmp_path, "run_1.log", "run_2.log")
    (tmp_path / "latest.log").symlink_to("run_1.log")
    (tmp_path / "a_hard_link.log").hardlink_to(tmp_path / "run_2.log")
    assert logs(tmp_path) == ["a_hard_link.log", "run_1.log"]


def test_links_out_of_the_root_are_followed(tmp_path: Path) -> None:
    """A link to a folder or file elsewhere is searched, under the link's name."""
    make(tmp_path, "scratch/run.log", "scratch/deep/run.log", "other.log")
    root = make(tmp_path / "root", "here.log")
    (root / "far").symlink_to(tmp_path / "scratch")
    (root / "file.log").symlink_to(tmp_path / "other.log")
    assert logs(root) == ["far/deep/run.log", "far/run.log", "file.log", "here.log"]


def test_a_thousand_links_are_sorted(tmp_path: Path) -> None:
    """Of many links to one file outside, the first by name has it."""
    make(tmp_path, "far.log")
    root = make(tmp_path / "root", "a/x.log")
    for number in range(1000):
        (root / f"{(number * 7) % 1000:04}.log").symlink_to(tmp_path / "far.log")
    assert logs(root) == ["0000.log", "a/x.log"]


def test_what_is_no_file_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FIFO, socket, device and broken link are rows with a reason, never opened, never an end."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # an address of a socket has 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        (tmp_path / "null").symlink_to("/dev/null")
        (tmp_path / "gone").symlink_to("nowhere")
        make(tmp_path, "run.log")
        assert found("unreadable", tmp_path) == {
            "gone": "broken link",
            "null": "a device is not read: save its text to a file",
            "pipe": "a FIFO is not read: save its text to a file",
            "sock": "a socket is not read: save its text to a file",
        }
        assert logs(tmp_path) == ["run.log"]
    assert found("unreadable", tmp_path / "pipe") == {"pipe": "a FIFO is not read: save its text to a file"}


def test_a_folder_without_permission_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be listed is a row; the others are searched."""
    make(tmp_path, "a/run.log", "locked/run.log")
    real = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(room.os, "scandir", refuse)
    assert found("unreadable", tmp_path) == {"locked": "folder: permission denied"}
    assert logs(tmp_path) == ["a/run.log"]


def test_a_file_that_vanishes_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or folder that is gone between listing and looking is a row with its reason."""
    make(tmp_path, "a.log", "b.log", "z/c.log")
    printable = room._printable

    def remove_first(path: str) -> str:
        if path == "a.log":
            (tmp_path / "b.log").unlink(missing_ok=True)
            (tmp_path / "z/c.log").unlink(missing_ok=True)
            (tmp_path / "z").rmdir() if (tmp_path / "z").exists() else None
        return printable(path)

    monkeypatch.setattr(room, "_printable", remove_first)
    assert found("unreadable", tmp_path) == {"b.log": "no such file", "z": "no such file"}


def test_roots_that_are_files(tmp_path: Path) -> None:
    """A file that is given is a log whatever its ending, once, and one that does not exist is a row that says so."""
    make(tmp_path, "a.bin", "b.log")
    rows = discover([tmp_path / "a.bin", tmp_path / "none.log", tmp_path / "a.bin"], out=None)
    assert rows.select("root", "path", "kind", "message").rows() == [
        (str(tmp_path / "a.bin"), "a.bin", "log", None),
        (str(tmp_path / "none.log"), "none.log", "unreadable", "no such file"),
    ]


def test_a_root_that_is_a_loop_is_a_row(tmp_path: Path) -> None:
    """A root that is a link to itself is a row, not an exception."""
    (tmp_path / "self").symlink_to("self")
    assert list(found("unreadable", tmp_path / "self")) == ["self"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_overlapping_roots_give_a_file_once(tmp_path: Path, order: tuple[int, int]) -> None:
    """Where roots overlap the first one has the file, and what is left out is counted once."""
    make(tmp_path, "a/run.log", "a/x.pth", "b/run.log")
    roots = [(tmp_path, tmp_path / "a")[place] for place in order]
    rows = discover([*roots, tmp_path / "a/run.log"], out=None)
    addresses = rows.filter(pl.col("kind") == "log").select(pl.format("{}/{}", "root", "path")).to_series().sort()
    assert addresses.to_list() == [str(tmp_path / "a/run.log"), str(tmp_path / "b/run.log")]
    assert rows.filter(pl.col("kind") == "left_out").height == 1


def test_file_systems_without_inodes_keep_their_files() -> None:
    """Where every file has inode 0, files are not taken for one another."""

    class Status:
        st_ino = 0
        st_dev = 1

    search = room._Search(None, math.inf)
    assert all(search._is_new(Status()) for _ in range(2))  # pyright: ignore[reportArgumentType]


def test_names_that_are_not_utf8_are_rows(tmp_path: Path) -> None:
    """A name that cannot stand in a table is a row that shows its bytes; odd names that can are logs."""
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.log"))).write_text("x")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.pth"))).write_text("x")
    make(tmp_path, "日志.log", "new\nline\x1b[31m.log", "a*b[1].log", "folder \xe9/x.log")
    assert found("unreadable", tmp_path) == {"bad\\xff.log": "the name is not UTF-8: rename it"}
    assert sorted(logs(tmp_path)) == sorted(["日志.log", "new\nline\x1b[31m.log", "a*b[1].log", "folder \xe9/x.log"])


def test_the_order_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    """Paths come sorted within a root, and no roots give no rows."""
    names = [f"{folder}/{number}.log" for folder in "zab" for number in (10, 9, 1)]
    assert logs(make(tmp_path, *names)) == sorted(names)
    assert discover([], out=None).is_empty()
    assert discover([], out=None).schema == SCHEMA


def test_deep_folders(tmp_path: Path) -> None:
    """Folders inside one another are searched as far as the system's longest path, the rest is a row."""
    here = os.open(tmp_path, os.O_RDONLY)
    name = "d" * 250
    for _ in range(20):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    make(tmp_path, f"{name}/{name}/run.log")
    assert logs(tmp_path) == [f"{name}/{name}/run.log"]
    assert list(found("unreadable", tmp_path).values()) == ["file name too long"]


def test_memory_does_not_grow_with_what_is_left_out(tmp_path: Path) -> None:
    """Files left out are counted, not kept: a folder of 3,000 images holds no entry per image."""
    make(tmp_path, *(f"{number}.png" for number in range(3000)))
    search = room._Search(None, math.inf)
    (rows,) = search.below(tmp_path)
    assert rows["message"].to_list() == ["3,000 images (.png)"]
    assert len(search.seen) == 1


def test_reading_may_begin_while_the_search_goes_on(tmp_path: Path) -> None:
    """A portion comes as soon as it has its bytes: what lies behind it has not been listed yet."""
    make(tmp_path, "a/1.log", "b/1.log", "c/1.log", "c/x.png")
    parts = portions([tmp_path], out=None, at_once=6)
    first = next(parts)
    assert first["path"].to_list() == ["a/1.log", "b/1.log"]
    make(tmp_path, "c/2.log")
    rest = pl.concat(parts)
    assert rest.filter(pl.col("kind") == "log")["path"].to_list() == ["c/1.log", "c/2.log"]
    assert pl.concat([first, rest]).equals(discover([tmp_path], out=None))


def test_small_roots_share_a_portion(tmp_path: Path) -> None:
    """A thousand files that a shell names are not a thousand portions."""
    make(tmp_path, *(f"{number:03}.log" for number in range(100)))
    roots = sorted(tmp_path.iterdir())
    sizes = [frame.height for frame in portions(roots, out=None, at_once=200)]
    assert sizes == [40, 40, 20]


def test_the_first_message_behind_many_logs(tmp_path: Path) -> None:
    """Rows without a message, more than polars looks at, stand before one that has it."""
    make(tmp_path, *(f"a/{k:03}.log" for k in range(150)), f"z/{MARKER}", "z/table.log")
    frame = discover([tmp_path], out=None)
    assert frame.filter(pl.col("message").is_not_null()).height == 1
    assert (frame["kind"] == "log").sum() == 150
