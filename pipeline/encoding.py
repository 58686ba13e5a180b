"""Which encoding a log's bytes are in, and how sure that is: decided once a log, on its first bytes.

Valid UTF-8 (and so ASCII) wins at once. A byte order mark decides for UTF-16 and UTF-32 (PowerShell's `>` writes
UTF-16); without one, UTF-16 shows by NULs that stand at odd or at even places alone. What is not valid UTF-8 stays
UTF-8, to be repaired, where most of its multi-byte sequences are sound or merely cut short; else it is GB18030 where
nearly all high bytes come in pairs that are common Chinese characters, else Windows-1252. Bars that were read as cp1252
once (`â–ˆ`) are valid UTF-8 and stay as they are. (charset-normalizer was the road not taken: it looks at each log with
forty codecs, and the four that training logs come in tell themselves apart by their bytes.)
"""

import codecs
import re
from dataclasses import dataclass

SAMPLE_BYTES = 1 << 16
"""Of a log that is not valid UTF-8 this much is looked at, from its first odd byte on."""

SURE_BYTES = 1 << 20
"""Of a large log's first non-ASCII text this much must be valid UTF-8 for the log to be read so."""

WIDE_SHARE, ONE_SIDED = 0.1, 4
"""UTF-16 without a mark: at least this share of NULs on one side (ASCII digits, blanks), and so many times those of the
other (`最` and `开` have one there)."""

PLAUSIBLE_SHARE = 0.9
WESTERN_SHARE = 0.6

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDTH = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
_HIGH = re.compile(rb"[\x80-\xff]")
_SOUND = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_CUT = re.compile(rb"[\xe0-\xef][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{1,2}|[\xc2-\xf4]\Z")
_CHINESE_PAIR = re.compile(
    rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]"
)  # punctuation, and the 3,755 common characters of GB 2312
_WESTERN = re.compile(
    rb"(?<![\x80-\xff])[\x80\x85\x91-\x97\x99\x"
    rb"a0\xa1\xa3\xa7\xa9\xab\xae\xb0-\xb5\xb7\xb9\xbb-\xbf\xc0-\xcf\xd1-\xdd\xdf-\xef\xf1-\xfd]{1,2}(?![\x80-\xff])"
)
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_NO_TEXT = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff\ufffe\uffff]")


@dataclass(frozen=True)
class Encoding:
    """The name of a Python codec, and how sure it is, 0..1: the share of what speaks for it."""

    name: str
    confidence: float

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes can be worked on as they are, but for a mark and for repairs."""
        return self.name.startswith("utf-8")

    @property
    def is_wide(self) -> bool:
        """Whether ASCII characters are of several bytes."""
        return self.name in _WIDTH


UTF8 = Encoding("utf-8", 1.0)


def encoding_of(data: bytes) -> Encoding:
    """The encoding of a log, from all of it or from its first bytes (which may end within a character)."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Encoding(name, 1.0)
    if b"\0" in data and (wide := _wide(data[:SAMPLE_BYTES])) is not None:
        return wide
    if data.isascii():
        return UTF8
    high = _HIGH.search(data)
    start = high.start() if high else 0
    if _is_utf8(data[start : start + SURE_BYTES]):
        return UTF8
    return _odd(data, start)


def to_utf8(data: bytes, encoding: Encoding) -> tuple[bytes, int]:
    """The text in UTF-8 without a mark, and how many characters had to be replaced. A cut unit at the end is one."""
    text = data.decode(encoding.name, errors="replace").removeprefix("\ufeff")
    return text.encode("utf-8", errors="replace"), text.count("\ufffd")


def not_valid(count: int, encoding: Encoding) -> str:
    """What an issue says of characters that had to be replaced."""
    return f"{count} characters that are not valid {encoding.name}"


class Recoder:
    """The same for text that comes block by block: a unit that two blocks share is not cut."""

    def __init__(self, encoding: Encoding) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding.name)(errors="replace")
        self._begun = False

    def feed(self, block: bytes, *, final: bool = False) -> tuple[bytes, int]:
        """The block in UTF-8, and how many characters had to be replaced."""
        text = self._decoder.decode(block, final)
        if not self._begun and text:
            text, self._begun = text.removeprefix("\ufeff"), True
        return text.encode("utf-8", errors="replace"), text.count("\ufffd")


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _wide(sample: bytes) -> Encoding | None:
    """UTF-16 without a mark. Holes of NULs in a truncated log stand on both sides alike, so they are none."""
    n = len(sample) // 2
    if n < 2:
        return None
    even, odd = sample[0 : 2 * n : 2].count(0) / n, sample[1 : 2 * n : 2].count(0) / n
    if max(even, odd) < max(WIDE_SHARE, ONE_SIDED * min(even, odd)):
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = sample[: 2 * n].decode(name, errors="replace")
    plausible = 1 - (len(_NO_TEXT.findall(text)) + text.count("\ufffd")) / len(text)
    return Encoding(name, round(plausible, 3)) if plausible >= 0.95 else None


def _odd(data: bytes, start: int) -> Encoding:
    """The encoding of text that is not valid UTF-8; `start` is its first high byte."""
    begin = max(data.rfind(b"\n", 0, start), start - SAMPLE_BYTES // 2) + 1
    sample = data[begin : begin + SAMPLE_BYTES]
    sound = len(_SOUND.findall(sample))
    rest = _SOUND.sub(b" ", sample)
    cut = len(_CUT.findall(rest))
    stray = len(_HIGH.findall(_CUT.sub(b" ", rest)))
    if sound + cut >= stray:
        return Encoding("utf-8", min(0.99, round((sound + cut / 2) / (sound + cut + stray), 3)))
    high = len(_HIGH.findall(sample))
    chinese = 2 * len(_CHINESE_PAIR.findall(sample)) / high
    if chinese >= PLAUSIBLE_SHARE and _decodes(sample, "gb18030"):
        return Encoding("gb18030", round(chinese, 3))
    western = sum(map(len, _WESTERN.findall(sample))) / high
    if western < WESTERN_SHARE:
        return Encoding("utf-8", round(1 - high / len(sample), 3))
    name = "latin-1" if _UNDEFINED.search(sample) else "cp1252"
    return Encoding(name, round(0.9 * western, 3))  # its sisters (cp1250, ISO 8859-15) look the same


def _decodes(sample: bytes, name: str) -> bool:
    """Whether nearly all of it decodes: a log may have a few bad bytes in any encoding."""
    text = codecs.getincrementaldecoder(name)(errors="replace").decode(sample)
    return text.count("\ufffd") * 50 <= len(_HIGH.findall(sample))
