"""Secrets leave no text: every form that is known is masked, and training's own words are not."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainqc.pipeline.masking import MASK, mask, mask_facts
from trainqc.pipeline.tables import FACTS

# made of the forms alone; none of them was ever a key
FAKE = "q9X2" * 10
SECRETS = [
    (f"export WANDB_API_KEY={FAKE}", FAKE),
    (f"wandb: logging in with key {'0123456789abcdef' * 2}01234567", "0123456789abcdef" * 2 + "01234567"),
    (f"--hf_token {FAKE}", FAKE),
    (f"{{'api_key': '{FAKE}'}}", FAKE),
    (f"password: {FAKE}", FAKE),
    (f"AWS_SECRET_ACCESS_KEY={FAKE}", FAKE),
    (f"using hf_{FAKE} to download", f"hf_{FAKE}"),
    (f"openai sk-{FAKE}", f"sk-{FAKE}"),
    (f"ghp_{FAKE}", f"ghp_{FAKE}"),
    (f"github_pat_{FAKE}", f"github_pat_{FAKE}"),
    (f"glpat-{FAKE}", f"glpat-{FAKE}"),
    ("AKIA" + "Q9X2" * 4, "AKIA" + "Q9X2" * 4),
    (f"xoxb-{FAKE}", f"xoxb-{FAKE}"),
    (f"Authorization: Bearer {FAKE}", FAKE),
    (f"eyJ{FAKE}.eyJ{FAKE}.{FAKE}", f"eyJ{FAKE}"),
    (f"https://me:{FAKE}@host/x.git", FAKE),
]
HARMLESS = [
    "tokens_per_sec: 10.3507  loss: 0.5",
    "max_tokens=4096, pad_token_id=0",
    "special_tokens_map: https://huggingface.co/model",
    "tokenizer: hf_internal",
    "[E] key: value",
    "sk-learn 1.2",
    "token: 12288",
]


def masked(text: str) -> str:
    return mask(pl.DataFrame({"message": [text]}), ("message",))["message"][0]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[t[:24] for t, _ in SECRETS])
def test_a_secret_is_masked(text: str, secret: str) -> None:
    """What shows as a secret by its form or by the word before it is replaced, and the words around it stay."""
    got = masked(text)
    assert secret not in got
    assert MASK in got


@pytest.mark.parametrize("text", HARMLESS)
def test_words_of_training_stay(text: str) -> None:
    """Tokens of a language model are no secrets."""
    assert masked(text) == text


@pytest.mark.parametrize(
    "name", ["hub.api_key", "WANDB_API_KEY", "optim.secret", "db.password", "hf_token", "auth.access_token"]
)
def test_a_fact_whose_name_says_so(name: str) -> None:
    """A fact with the name of a secret loses its value and its number, whatever its form."""
    got = facts(name, "12345")
    assert got.row(0, named=True)["value"] == MASK
    assert got["number"].to_list() == [None]


@pytest.mark.parametrize(
    ("name", "value"), [("tokenizer.pad_token", "<pad>"), ("num_token", "77"), ("hf_token", "None"), ("lr", "0.1")]
)
def test_a_fact_that_is_none(name: str, value: str) -> None:
    """Names of vocabulary entries and empty values are kept."""
    assert facts(name, value)["value"].to_list() == [value]


def facts(name: str, value: str) -> pl.DataFrame:
    row = {"log_id": "x", "name": name, "value": value, "number": 1.0, "source": "config", "line": 1}
    return mask_facts(pl.DataFrame([row], schema=FACTS.schema))


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing(text: str) -> None:
    """Masked text has nothing left to mask, and any text can be masked."""
    once = masked(text)
    assert masked(once) == once


def test_columns_that_are_absent_or_null() -> None:
    """A table without the column, or with nulls in it, is masked all the same."""
    frame = pl.DataFrame({"message": [None, f"api_key={FAKE}"]})
    assert mask(frame, ("message", "raw"))["message"].to_list() == [None, f"api_key={MASK}"]
