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


def test_lists_of_numbers_in_a_dump_are_facts() -> None:
    """Milestones and betas are one fact each, on the line of their name; a list of anything else is none."""
    dump = """Config:
optimizer = dict(betas=(0.9, 1e-3), lr=0.1)
param_scheduler = [
    dict(
        milestones=[
            8,
            11,
        ], type='MultiStepLR'),
]
pairs = [[1, 2], [3]]
names = ['train', 1]
calls = list(1, 2)
nothing = []
last = [-1]
"""
    facts = read(f"{PREFIX}{dump}{PREFIX}Epoch(train) [1][1/2] lr: 1.0e-01  loss: 0.5\n".encode())["facts"]
    assert facts.select("name", "value", "number", "line").rows() == [
        ("optimizer.betas", "[0.9, 1e-3]", None, 2),
        ("optimizer.lr", "0.1", 0.1, 2),
        ("param_scheduler.milestones", "[8, 11]", None, 5),
        ("param_scheduler.type", "MultiStepLR", None, 8),
        ("last", "[-1]", None, 14),
    ]


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


def test_other_prefixes_of_a_counter() -> None:
    """Forks set the standard library's stamps, a launcher puts its own word in front, a colour stays out of the way."""
    counter = "Iter(train) [{}/40]  lr: 1.0e-03  time: 0.5  loss: 0.25\n"
    prefixes = (
        "2024-04-12 11:57:11,123 - my.fork - INFO - ",
        "(Worker pid=12, ip=10.0.0.1) 05/10 19:51:31 - mmengine - INFO - ",
        "05/10 19:58:21 - \x1b[33mmmengine\x1b[0m - \x1b[1;34mINFO\x1b[0m - ",
        "mmengine - INFO - ",
        "",
    )
    text = "".join(prefix + counter.format(i) for i, prefix in enumerate(prefixes, 1))
    rows = read(text.encode())["progress"].sort("line")
    assert rows["global_iter"].to_list() == [1, 2, 3, 4, 5]
    assert rows["logged_at"].is_null().to_list() == [False, False, False, True, True]


def test_an_estimate_below_zero() -> None:
    """Python's timedelta of minus five seconds."""
    found = read(lines("Iter(train) [41/40]  lr: 1.0e-03  eta: -1 day, 23:59:55  time: 0.5  loss: 0.25"))
    assert found["progress"]["eta_s"].to_list() == [-5.0]
    assert found["issues"].is_empty()


def test_scalars_with_their_phase_in_front() -> None:
    """`log_with_hierarchy`: the columns are the same, and the names those of the text."""
    rows = (
        '{"train/lr": 0.01, "train/data_time": 0.25, "train/loss": 2.0, "train/acc_5": 0.375, "train/time": 0.5, '
        '"epoch": 1, "iter": 3, "step": 3}\n'
        '{"val/AP .5": 0.5, "val/top/1": 0.25, "val/data_time": 0.5, "val/time": 1.5, "step": 1}\n'
    )
    found = read(rows.encode())
    wanted = [("train", 1, 3, 0.5, 0.01), ("val", 1, None, 1.5, None)]
    assert found["progress"].select("phase", "epoch", "global_iter", "s_per_iter", "lr").rows() == wanted
    metrics = dict(found["metrics"].select("name", "value").iter_rows())
    assert metrics == {"loss": 2.0, "acc_5": 0.375, "val/AP .5": 0.5, "val/top/1": 0.25}
