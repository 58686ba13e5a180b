"""Logs in other encodings give the rows that they give in UTF-8; `logs` says which encoding it was, and how sure."""

import gzip
import io
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import FORMATS, SAMPLES, Read, assert_same_rows, read, read_pieces
from trainqc.pipeline.chunks import Chunk, read_chunks
from trainqc.pipeline.encoding import Encoding, Recoder, encoding_of, to_utf8
from trainqc.pipeline.ingest import ingest
from trainqc.pipeline.lines import split
from trainqc.pipeline.store import Store
from trainqc.pipeline.tables import FACTS, LOGS, METRICS, PROGRESS

LOG = (SAMPLES / "mmengine" / "by_epoch_console.log").read_text("utf-8")
CHINESE = "训练样本数: 8000\n批次大小: 32，学习率从零线性增加到最大值\n模型已保存到目录，开始验证\n" * 3
FRENCH = "entraînement terminé, température 71 °C, durée écoulée\nmodèle enregistré à l’étape 40\n" * 3
BARS = "Iteration:  50%|█████▌    | 500/1000 [05:15<05:15, 1.58it/s]\r" * 3 + "\n"

MARKED = {
    "utf-16-le": b"\xff\xfe",
    "utf-16-be": b"\xfe\xff",
    "utf-32-le": b"\xff\xfe\x00\x00",
    "utf-32-be": b"\x00\x00\xfe\xff",
}


def lines_of(data: bytes) -> list[str]:
    return split([Chunk(0, data, first=True, last=True)]).frame["text"].to_list()


# ── what is recognised ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text", [LOG, CHINESE + LOG, BARS + LOG, FRENCH + LOG], ids=["ascii", "chinese", "bars", "french"]
)
@pytest.mark.parametrize("name", MARKED)
def test_a_byte_order_mark_decides(name: str, text: str) -> None:
    """UTF-16 and UTF-32 with their mark are read as such, for certain, and the mark is no text."""
    data = MARKED[name] + text.encode(name)
    assert encoding_of(data) == Encoding(name, 1.0)
    assert lines_of(data) == lines_of(text.encode())


@pytest.mark.parametrize("text", [LOG, CHINESE + LOG, BARS + LOG, CHINESE], ids=["ascii", "both", "bars", "chinese"])
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_shows_by_its_nuls(name: str, text: str) -> None:
    """NULs at every second place alone mean UTF-16, also where half of the text is Chinese."""
    found = encoding_of(text.encode(name))
    assert found.name == name
    assert found.confidence > 0.95
    assert lines_of(text.encode(name)) == lines_of(text.encode())


@pytest.mark.parametrize(
    ("text", "name"), [(CHINESE, "gb18030"), (LOG + CHINESE, "gb18030"), (FRENCH, "cp1252"), (LOG + FRENCH, "cp1252")]
)
def test_what_is_not_utf8_is_told_by_its_bytes(text: str, name: str) -> None:
    """Chinese and Western text that UTF-8 cannot be is read as what it is."""
    found = encoding_of(text.encode(name))
    assert found.name == name
    assert 0.8 < found.confidence <= 1
    assert lines_of(text.encode(name)) == lines_of(text.encode())


def test_a_rare_character_beside_chinese_text_does_not_upset_it() -> None:
    """GB18030's four bytes and characters outside of the common ones may stand among them."""
    text = CHINESE * 5 + "喆 鑫 😀\n"
    assert encoding_of(text.encode("gb18030")).name == "gb18030"
    assert lines_of(text.encode("gb18030")) == lines_of(text.encode())


@pytest.mark.parametrize(
    "text", [LOG, CHINESE, FRENCH, BARS, "", "é"], ids=["ascii", "chinese", "french", "bars", "none", "one"]
)
def test_valid_utf8_wins_at_once(text: str) -> None:
    """Nothing else is tried for text that is valid UTF-8."""
    assert encoding_of(text.encode()) == Encoding("utf-8", 1.0)


def test_mojibake_stays_as_it_is() -> None:
    """A bar that was read as cp1252 once is valid UTF-8: its numbers are read, its glyphs are nobody's business."""
    mojibake = "Iteration:  50%|" + "â–ˆ" * 5 + "     | 500/1000 [05:15<05:15, 1.58it/s]\n"
    assert encoding_of(mojibake.encode()) == Encoding("utf-8", 1.0)
    rows = read(mojibake)["progress"]
    assert rows.select("iter", "iters_per_epoch").rows() == [(500, 1000)]


@pytest.mark.parametrize(
    "data",
    [
        BARS.encode() * 3 + b"stray \xe9 byte\n",
        BARS.encode() + "█".encode()[:2] + b"\n",
        b"epoch 1\n" * 5 + "█".encode()[:2],
        b"epoch 1\n" * 5 + b"\xff\xfe\x80\x81\x8d garbage\n",
    ],
    ids=["stray", "cut bar", "cut end", "garbage"],
)
def test_a_few_bad_bytes_do_not_change_the_encoding(data: bytes) -> None:
    """A cut character and a stray byte are repaired and reported; the rest of the text stays UTF-8."""
    found = encoding_of(data)
    assert found.name == "utf-8"
    lines = split([Chunk(0, data, first=True, last=True)])
    assert lines.issues["code"].to_list() == ["bad_bytes"]
    assert lines.encodings == {0: "utf-8"}


def test_holes_of_nuls_are_no_utf16() -> None:
    """A log that a full disk left with holes of NULs is ASCII with holes."""
    data = b"\0" * 1377 + LOG.encode() + b"\0" * 400 + b"step 1\n"
    assert encoding_of(data).name == "utf-8"
    assert lines_of(data)[-1] == "step 1"


def test_what_cannot_be_decoded_is_replaced_and_reported() -> None:
    """Half a UTF-16 unit at the end of a log that was cut is one bad byte, and no crash."""
    data = b"\xff\xfe" + LOG.encode("utf-16-le") + b"x"
    lines = split([Chunk(0, data, first=True, last=True)])
    assert lines.issues["code"].to_list() == ["bad_bytes"]
    assert lines.frame["text"].to_list()[:-1] == lines_of(LOG.encode())


# ── in pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache
def read_in_utf8(text: str) -> Read:
    return read(text)


@pytest.mark.parametrize("odd", [1, 2, 3])
@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "gb18030", "cp1252", "utf-32-le"])
def test_no_character_is_cut_between_the_pieces_of_a_large_log(name: str, odd: int) -> None:
    """Wherever the borders fall, the pieces hold the text of the whole, and each knows the encoding."""
    text = (CHINESE if name != "cp1252" else FRENCH) * 20 + LOG * 2
    data = MARKED.get(name, b"") + text.encode(name)
    size = len(data) // 28 * 4 + odd  # seven pieces, which cost more than their bytes do
    chunks = list(read_chunks(io.BytesIO(data), 0, size))
    assert len(chunks) > 5
    assert b"".join(c.data for c in chunks) == text.encode()
    assert {c.encoding.name for c in chunks if c.encoding} == {name}
    whole, pieces = read_in_utf8(text), read_pieces(data, size)
    for table in ("progress", "metrics", "issues"):
        assert_same_rows(whole[table], pieces[table], table)


def test_what_a_damaged_archive_holds_before_the_damage_is_read() -> None:
    """A gzip that ends early gives its text up to there, at any block size, and the issue."""
    text = "".join(f"line {i} of {i * 7919}\n" for i in range(20_000)).encode()
    damaged = gzip.compress(text, mtime=0)[:-2000]
    for size in (1000, 32 << 20):
        chunks = list(read_chunks(gzip.GzipFile(fileobj=io.BytesIO(damaged)), 0, size))
        got = b"".join(c.data for c in chunks)
        assert len(got) > len(text) // 2
        assert text.startswith(got)
        assert [i.split(":")[0] for c in chunks for i in c.issues] == ["truncated"]


# ── round trips ──────────────────────────────────────────────────────────────────────────────────────────────────────

PRINTED = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="\ufeff\ufffd")


@given(st.lists(st.text(PRINTED), min_size=1), st.sampled_from(sorted(MARKED)))
def test_any_text_survives_wide_encodings(lines: list[str], name: str) -> None:
    """Whatever the text, with a mark it comes back character by character."""
    text = "\n".join(lines)
    data = MARKED[name] + text.encode(name)
    if name == "utf-16-le" and data.startswith(MARKED["utf-32-le"]):
        return  # a text that begins with NUL
    assert to_utf8(data, encoding_of(data)) == (text.encode(), 0)


@given(st.binary(max_size=200), st.sampled_from(["utf-16-le", "utf-32-be", "gb18030", "cp1252"]), st.data())
@example(b"\xff", "cp1252", None)
def test_blocks_give_what_the_whole_gives(data: bytes, name: str, cuts: st.DataObject | None) -> None:
    """Recoding is the same whether the bytes come at once or in blocks, also for bytes that are no text."""
    encoding = Encoding(name, 1.0)
    at = cuts.draw(st.integers(0, len(data))) if cuts else 0
    recoder = Recoder(encoding)
    parts = [recoder.feed(data[:at]), recoder.feed(data[at:]), recoder.feed(b"", final=True)]
    assert (b"".join(p[0] for p in parts), sum(p[1] for p in parts)) == to_utf8(data, encoding)


@given(st.text(PRINTED))
def test_text_in_utf8_is_never_taken_for_anything_else(text: str) -> None:
    """No valid UTF-8 that is free of NULs is decoded as another encoding."""
    assert encoding_of(text.encode()).name == "utf-8"


@given(st.binary(max_size=400))
def test_any_bytes_have_an_encoding(data: bytes) -> None:
    """Hostile bytes give a name that Python knows and a confidence in 0..1, and never a crash."""
    found = encoding_of(data)
    text, _ = to_utf8(data, found)
    text.decode("utf-8")
    assert 0 <= found.confidence <= 1


@given(st.binary(max_size=300), st.integers(1, 50))
def test_pieces_are_read_as_the_whole_is(data: bytes, size: int) -> None:
    """The decision does not hang on the size of the blocks in which a log is read."""
    (whole, *_), pieces = read_chunks(io.BytesIO(data), 0), list(read_chunks(io.BytesIO(data), 0, size))
    assert {c.encoding for c in pieces} == {whole.encoding} == {encoding_of(data)}


# ── from files to tables ─────────────────────────────────────────────────────────────────────────────────────────────


def test_files_in_any_encoding_give_the_same_tables(tmp_path: Path) -> None:
    """Sample logs that were re-encoded give the records of the originals; `logs` names encoding and confidence."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "utf-8.log").write_bytes(LOG.encode())
    (logs / "powershell.log").write_bytes(b"\xff\xfe" + LOG.replace("\n", "\r\n").encode("utf-16-le"))
    (logs / "no_mark.log").write_bytes((CHINESE + LOG).encode("utf-16-be"))
    (logs / "chinese.log").write_bytes((CHINESE + LOG).encode("gb18030"))
    (logs / "only_chinese.log").write_bytes(b"\xff\xfe" + CHINESE.encode("utf-16-le"))
    (logs / "western.log.gz").write_bytes(gzip.compress((FRENCH + LOG).encode("cp1252")))
    (logs / "samples.log").write_bytes(b"\x01\x00\x05\x00\x7f\x00\x02\x00" * 2000)
    ingest([logs], tmp_path / "out", FORMATS, jobs=1)
    store = Store(tmp_path / "out")
    rows = {row["path"]: row for row in store.read(LOGS).to_dicts()}
    assert {path: row["encoding"] for path, row in rows.items() if row["status"] != "left_out"} == {
        "utf-8.log": "utf-8",
        "powershell.log": "utf-16-le",
        "no_mark.log": "utf-16-be",
        "chinese.log": "gb18030",
        "only_chinese.log": "utf-16-le",
        "western.log.gz": "cp1252",
    }
    assert rows["samples.log"]["message"] == "no text: binary data"
    assert rows["utf-8.log"]["encoding_confidence"] == rows["powershell.log"]["encoding_confidence"] == 1.0
    assert 0.8 < rows["chinese.log"]["encoding_confidence"] <= 1.0
    records = {rows[path]["records"] for path in rows if path not in ("samples.log", "only_chinese.log")}
    assert len(records) == 1
    assert records != {0}
    for table in (PROGRESS, METRICS):
        counts = store.read(table).group_by("log_id").len()["len"].unique()
        assert len(counts) == 1
    assert store.read(FACTS).height > 0
