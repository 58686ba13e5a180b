"""Secrets leave no text: tokens, keys and passwords are masked before anything is written."""

import polars as pl

MASK = "[masked]"

HINTS = (
    *("token", "secret", "passw", "api_key", "apikey", "api-key", "access_key", "private_key", "credential"),
    *(
        "bearer ",
        "authorization",
        "hf_",
        "sk-",
        "ghp_",
        "gho_",
        "github_pat_",
        "glpat-",
        "akia",
        "xoxb-",
        "xoxp-",
        "eyj",
    ),
    *("://", "aiza", "wandb"),
)
"""A text without any of these (in any case) is not looked at again."""

_WORD = (
    r"(?:api[_-]?key|access[_-]?key(?:[_-]id)?|secret(?:[_-]?(?:access[_-]?)?key)?|private[_-]?key|passw(?:or)?d"
    r"|credentials?)"
)
_TOKEN_WORD = r"(?:(?:auth|access|hf|hub|wandb|github|gitlab|api|bearer|refresh|session)[_-]?token|token)"

PATTERNS = (
    # name = value, name: value, --name value; a `token` only where its value looks like one
    (rf"(?i)((?:\b|_){_WORD}['\"]?\s*(?:[=:]|\s)\s*['\"]?)[^\s'\",;)\]}}]{{4,}}", "${1}" + MASK),
    (rf"(?i)((?:\b|_){_TOKEN_WORD}['\"]?\s*(?:[=:]|\s)\s*['\"]?)[A-Za-z0-9_.+/-]{{16,}}", "${1}" + MASK),
    (r"(?i)(authorization['\"]?\s*[=:]\s*['\"]?(?:bearer|basic|token)?\s*)[^\s'\",]{8,}", "${1}" + MASK),
    (r"(?i)(\bbearer\s+)[A-Za-z0-9_.~+/-]{8,}=*", "${1}" + MASK),
    # keys that show by their own form
    (r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,})", MASK),
    (r"\b(?:glpat-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{12,}|xox[bpars]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,})", MASK),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", MASK),
    # user:password@host
    (r"(://[^\s:/@]+:)[^\s@/]+(@)", "${1}" + MASK + "${2}"),
    # the 40 hexadecimal digits of a Weights & Biases key
    (r"(?i)(wandb[^\n]{0,40}?\b)[0-9a-f]{40}\b", "${1}" + MASK),
)

SECRET_NAME = rf"(?i)(?:^|[._-])(?:{_WORD}|{_TOKEN_WORD})$"
NO_SECRET_NAME = (
    r"(?i)(?:pad|eos|bos|unk|sep|cls|mask|image|img|num|n|max|min|special|stop|start|end|video|new|add)_?token$"
)


def mask(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """The frame with secrets in these text columns replaced by MASK. Texts without a hint are not touched."""
    present = [name for name in columns if name in frame.columns and frame[name].null_count() < frame.height]
    for name in present:
        suspect = frame[name].str.contains_any(list(HINTS), ascii_case_insensitive=True).fill_null(False)
        if suspect.any():
            frame = frame.with_columns(pl.when(suspect).then(masked(pl.col(name))).otherwise(name).alias(name))
    return frame


def masked(text: pl.Expr) -> pl.Expr:
    """The text with each secret that shows by its form or by the word before it replaced by MASK."""
    for pattern, replacement in PATTERNS:
        text = text.str.replace_all(pattern, replacement)
    return text


def mask_facts(facts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `facts` whose name says that the value is a secret, and secrets within other values, masked."""
    name, value = pl.col("name"), pl.col("value")
    secret = name.str.contains(SECRET_NAME) & ~name.str.contains(NO_SECRET_NAME)
    told = secret & ~value.is_in(["True", "False", "None", "true", "false", "null", ""])
    masked_facts = facts.with_columns(
        value=pl.when(told).then(pl.lit(MASK)).otherwise(value), number=pl.when(~told).then("number")
    )
    return mask(masked_facts, ("name", "value"))
