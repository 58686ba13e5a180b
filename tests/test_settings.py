"""trainqc.toml, --set, and the draft."""

import tomllib
from pathlib import PurePosixPath

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.settings import SETTABLE, SettingsError, draft, pattern, read_pairs, read_settings, user_facts
from trainqc.pipeline.tables import FACTS, RUNS, conform

HERE = PurePosixPath("/data/trainqc.toml")


def logs(*paths: str, root: str = "/data") -> pl.DataFrame:
    return pl.DataFrame({"log_id": list(paths), "root": root, "path": list(paths)})


def stated(text: str, *paths: str, at: PurePosixPath = HERE) -> list[tuple[str, str, float | None]]:
    return user_facts(logs(*paths), read_settings(text, at)).select("log_id", "name", "number").rows()


def test_glob() -> None:
    """A table's values hold for the logs that its glob matches, and for those in a folder that it matches."""
    text = '["work_dirs/sa2va*"]\nnum_samples = 1220\n'
    paths = ("work_dirs/sa2va_vessel/1/a.log", "work_dirs/other/a.log", "work_dirs/sa2va.log")
    assert stated(text, *paths) == [
        ("work_dirs/sa2va.log", "num_samples", 1220.0),
        ("work_dirs/sa2va_vessel/1/a.log", "num_samples", 1220.0),
    ]


def test_without_a_table() -> None:
    """Values in front of all tables hold for every log below the file, and for none elsewhere."""
    assert stated("world_size = 4\n", "a/x.log", at=PurePosixPath("/data/a/trainqc.toml")) == [
        ("a/x.log", "world_size", 4.0)
    ]
    assert stated("world_size = 4\n", "b/x.log", at=PurePosixPath("/data/a/trainqc.toml")) == []


def test_file_above_the_root() -> None:
    """Globs count from the folder of the file, also where the logs were given deeper down."""
    rules = read_settings('["work/net"]\nbatch_size = 2\n', PurePosixPath("/data/trainqc.toml"))
    assert user_facts(logs("net/x.log", root="/data/work"), rules).height == 1


def test_file_as_root() -> None:
    """A log given as a file itself is matched by its own address."""
    rules = read_settings('["work/x.log"]\nbatch_size = 2\n', PurePosixPath("/data/trainqc.toml"))
    assert user_facts(logs("x.log", root="/data/work/x.log"), rules).height == 1


def test_later_wins() -> None:
    """Of two tables that match the later one counts, and --set over both."""
    text = '["**"]\nbatch_size = 1\n["a/**"]\nbatch_size = 2\n'
    rules = read_settings(text, HERE)
    assert user_facts(logs("a/x.log", "b/x.log"), rules)["number"].to_list() == [2.0, 1.0]
    assert user_facts(logs("a/x.log", "b/x.log"), rules, {"batch_size": 3})["number"].to_list() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", True),  # lies in a folder that matches
        ("*/c", "a/b/c", False),
        ("**/c", "a/b/c", True),
        ("**/c", "c", True),
        ("a/?.log", "a/b.log", True),
        ("a/?.log", "a/bb.log", False),
        ("a/[bc].log", "a/c.log", True),
        ("a/[!bc].log", "a/c.log", False),
        ("a.b", "axb", False),
        ("a/[[]1].log", "a/[1].log", True),
        ("./a/", "a/x", True),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    """Stars stay within a folder, double stars do not, and nothing else is special."""
    assert pl.select(pl.lit(path).str.contains(pattern(glob))).item() is matches


@given(st.text(max_size=30))
def test_any_glob(glob: str) -> None:
    """Every text without an open set is a glob that the engine takes."""
    closed = glob.replace("[", "[[]")
    pl.select(pl.lit("a/b").str.contains(pattern(closed)))


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("num_samples = \n", "/data/trainqc.toml:1:", "not valid TOML"),
        ("\nnum_sample = 3\n", "/data/trainqc.toml:2:", "unknown name 'num_sample'; allowed are num_samples"),
        ('["a"]\nbatch_size = 1\n["b"]\nbatch_size = 0\n', "/data/trainqc.toml:4:", "a whole number above zero, not 0"),
        ('["a"]\nbatch_size = "4"\n', "/data/trainqc.toml:2:", "not '4'"),
        ("batch_size = true\n", "/data/trainqc.toml:1:", "not True"),
        ("drop_last = 1\n", "/data/trainqc.toml:1:", "true or false"),
        ("batch_size = 1.5\n", "/data/trainqc.toml:1:", "not 1.5"),
        ('x = 1\n["a[b"]\n', "/data/trainqc.toml:1:", "unknown name 'x'"),
        ('["a[b"]\nbatch_size = 1\n', "/data/trainqc.toml:1:", "not closed"),
        ('["a"]\n[a.b]\nbatch_size = 1\n', "/data/trainqc.toml:", "has to be quoted"),
    ],
)
def test_errors(text: str, place: str, says: str) -> None:
    """An error names file and line, what is wrong, and what is allowed."""
    with pytest.raises(SettingsError) as error:
        read_settings(text, HERE)
    assert str(error.value).startswith(place)
    assert says in str(error.value)


def test_pairs() -> None:
    """--set takes whole numbers, also with separators, texts, and true or false."""
    assert read_pairs(["num_samples=1_220", "sampler = DefaultSampler", "drop_last=True", "batch_size=1,024"]) == {
        "num_samples": 1220,
        "sampler": "DefaultSampler",
        "drop_last": True,
        "batch_size": 1024,
    }


@pytest.mark.parametrize("pair", ["num_samples", "num_sample=3", "batch_size=x", "batch_size=-1", "batch_size=0", "=3"])
def test_bad_pairs(pair: str) -> None:
    """A pair that says nothing usable is an error that shows it."""
    with pytest.raises(SettingsError, match="--set"):
        read_pairs([pair])


def test_facts_conform() -> None:
    """What the user states are rows of the table `facts`, with source `user` and no line."""
    facts = conform(user_facts(logs("a"), [], {"drop_last": True, "num_samples": 5}), FACTS)
    assert facts.select("name", "value", "number", "source", "line").rows() == [
        ("drop_last", "true", 1.0, "user", None),
        ("num_samples", "5", 5.0, "user", None),
    ]
    assert user_facts(logs("a"), []).is_empty()


def runs(**columns: object) -> pl.DataFrame:
    row = {"name": "net", "log_paths": ["work/net/a.log"], "state": "finished", "iters_done": 5, "iters_per_epoch": 5}
    return conform(
        pl.DataFrame([row | {"batch_size": 1, "world_size": 1, "grad_accum": 1, "num_samples": 5} | columns]), RUNS
    )


def test_draft_names_what_is_missing() -> None:
    """The draft has one block per run with exactly the names that are missing, all of it commented out."""
    text = draft(runs(num_samples=None, grad_accum=None))
    asked = [line.split()[1] for line in text.splitlines() if " = ? " in line]
    assert asked == ["num_samples", "grad_accum"]
    assert tomllib.loads(text) == {}


def test_draft_of_nothing() -> None:
    """Where nothing is missing there is no draft; nor for a run that never began."""
    assert draft(runs()) == ""
    assert draft(runs(num_samples=None, iters_done=None)) == ""


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20))
def test_filled_draft_finds_its_log(path: str) -> None:
    """A block filled in by the user is read again and matches its own log, whatever the log is called."""
    path = path.strip("/").removeprefix("./") or "a"
    text = draft(runs(num_samples=None, log_paths=[path]))
    lines = [
        line.removeprefix("# ").replace("= ?", "= 7")
        for line in text.splitlines()
        if line.startswith('# ["') or "= ?" in line
    ]
    rules = read_settings("\n".join(lines), HERE)
    printable = not any(c in path for c in map(chr, range(0xAD + 1))) or path.isprintable()
    if printable and path.isascii():
        assert user_facts(logs(path), rules)["number"].to_list() == [7.0]


def test_every_name_has_a_meaning() -> None:
    """Each settable name says what it means: it is shown in errors and in the draft."""
    assert all(meaning for _, meaning in SETTABLE.values())
