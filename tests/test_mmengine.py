"""mmengine's lines beyond the samples: what the projects built on it print."""

import polars as pl
from reading import read

PREFIX = "2023/06/04 17:27:13 - mmengine - INFO - "


def lines(*texts: str) -> bytes:
    return "".join(f"{PREFIX}{text}\n" for text in texts).encode()


def named(found: pl.DataFrame) -> dict[str, float]:
    return dict(found.select("printed_name", "value").iter_rows())


def test_names_of_metrics_hold_blanks_and_colons() -> None:
    """mmpose prints `coco/AP .5` and `coco/AP (M)`; two blanks part the pairs."""
    found = read(
        lines(
            "Epoch(val) [10][6/6]    coco/AP: 0.5  coco/AP .5: 1.0  coco/AP .75: 0.9  coco/AP (M): -1.0  "
            "AP@0.50:0.95: 0.4  data_time: 0.875  time: 1.25"
        )
    )
    wanted = {"coco/AP": 0.5, "coco/AP .5": 1.0, "coco/AP .75": 0.9, "coco/AP (M)": -1.0, "AP@0.50:0.95": 0.4}
    assert named(found["metrics"]) == wanted
    assert found["progress"].select("s_per_iter", "data_s_per_iter").row(0) == (1.25, 0.875)


def test_pairs_with_one_blank_between() -> None:
    """A line pasted through a page that folds blanks still has all its pairs."""
    found = read(lines("Epoch(train) [147][300/351] lr: 2.3e-03 eta: 5 days, 23:52:36 time: 1.0 memory: 48 loss: 0.5"))
    assert named(found["metrics"]) == {"loss": 0.5}
    assert found["progress"].select("lr", "eta_s", "s_per_iter", "memory_mib").row(0) == (2.3e-3, 517956.0, 1.0, 48.0)


def test_lists_are_facts() -> None:
    """A value per class is one fact, not a metric with half a name."""
    found = read(lines("Epoch(val) [5][4/4]    top1: 88.5  f1_classwise: [84.75, 91.5]  data_time: 0.1  time: 0.25"))
    assert named(found["metrics"]) == {"top1": 88.5}
    assert found["facts"].select("name", "value").rows() == [("f1_classwise", "[84.75, 91.5]")]


def test_names_that_differ_in_digits() -> None:
    """`loss_1` and `loss_2` of alternating tasks stay apart."""
    found = read(lines(*(f"Iter(train) [{i}/6]  lr: 1.0e-03  time: 0.5  loss_{i % 2}: 0.{i}" for i in range(1, 7))))
    kept = found["metrics"].select("line", "name").sort("line").rows()
    assert kept == [(i, f"loss_{i % 2}") for i in range(1, 7)]
