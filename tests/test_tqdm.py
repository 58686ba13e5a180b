"""tqdm's bars beyond the samples: what scripts put behind a bar, and where terminals cut it."""

import pytest
from reading import read

BAR = "epoch 1:  40%|███▉      | 61/153 [00:01<00:02, 44.53it/s, {}]\n"


def test_percentages_and_dicts_behind_a_bar() -> None:
    """`acc=91.67%` is a number, a dict gives its own names: neither is a new fact at every redraw."""
    found = read(BAR.format("loss=0.5, acc=91.67%, metrics={'f1': 0.25, 'auc': 0.75}, note=a b").encode())
    wanted = {"loss": 0.5, "acc": 91.67, "f1": 0.25, "auc": 0.75}
    assert dict(found["metrics"].select("name", "value").iter_rows()) == wanted
    assert found["facts"].select("name", "value").rows() == [("note", "a b")]


@pytest.mark.parametrize("cells", ["█▏        ", "          ", "#1        ", "â–ˆâ–    "])
def test_a_bar_cut_at_any_width(cells: str) -> None:
    """Wherever the terminal's width cuts a bar behind its cells it is one row; a counter counts where it is whole."""
    text = f"a long one:  12%|{cells}| 1200/10000 [00:01<00:10,  1.00it/s, loss=0.5]"
    whole = text.index(" [")
    for end in range(text.index("| 1200") + 1, len(text)):
        rows = read(f"{text[:end]}\n".encode())["progress"].select("bar", "iter", "iters_per_epoch").rows()
        counted = (1200, 10000) if end > whole + 1 else (None, None)
        assert rows == [("a long one", *counted)], text[:end]


def test_a_table_is_no_bar() -> None:
    """Percentages between pipes are a table's."""
    text = "| GPU | 12%| 50%|      |\n| 30%   45C    P8 |   0%|      |\n"
    assert read(text.encode())["progress"].is_empty()
