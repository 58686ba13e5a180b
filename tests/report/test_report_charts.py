"""Points of charts, and the pictures made of them."""

import io
import subprocess
import sys

import polars as pl
import pytest
from PIL import Image
from report_hand_made import attempts, events, frame, metrics, progress
from trainqc.pipeline.report import charts, curves
from trainqc.pipeline.report.model import Chart, Mark
from trainqc.pipeline.tables import ATTEMPTS, METRICS, PROGRESS


def records_of(progress_rows: pl.DataFrame, losses: pl.DataFrame, iters_per_epoch: int | None = 1224) -> pl.DataFrame:
    ours = attempts().head(1)
    return curves.curve_records(
        progress_rows, losses.select(curves.LOSS_COLUMNS), ours, iters_per_epoch=iters_per_epoch
    )


def sa2va_records() -> pl.DataFrame:
    return records_of(progress(), metrics())


def made(y: pl.Series) -> pl.DataFrame:
    """Train records at iterations 1 … n with these losses."""
    return pl.DataFrame({"x": pl.int_range(1, y.len() + 1, eager=True).cast(pl.Float64), "loss": y}).with_columns(
        pl.lit("iteration").alias("axis"),
        pl.lit("train").alias("phase"),
        pl.lit(0.5).alias("s_per_iter"),
        pl.lit(None, pl.Float64).alias("data_s_per_iter"),
        pl.lit(None, pl.Float64).alias("lr"),
    )


def series(chart: Chart | None, name: str) -> pl.DataFrame:
    assert chart is not None
    return chart.points.filter(pl.col("series") == name)


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def test_both_charts_are_pictures_of_the_promised_size():
    """The Sa2VA run gives a loss and a pace chart, PNGs of 988 × 416."""
    rows, marks = sa2va_records(), curves.chart_marks([1224, 2448, 3672], events(), 1224)
    for chart in (curves.loss_chart(rows, marks), curves.pace_chart(rows, marks, 16.0)):
        assert chart is not None
        assert size(charts.draw(chart)) == (988, 416)


def rates(*lr: float | None) -> pl.DataFrame:
    """Train records at iterations 1 … n with these learning rates."""
    return made(pl.Series([1.0] * len(lr))).with_columns(pl.Series("lr", lr, pl.Float64))


def stage(number: int, first_iter: int | None, kind: str = "constant", shape: str | None = None) -> dict[str, object]:
    place = {"first_iter": first_iter, "first_epoch": 1, "first_cycle": None}
    return {"stage": number, "kind": kind, "shape": shape, **place}


def test_rates_are_drawn_with_their_stages():
    """Each stage is a stripe up to the next; the text for the blind names them; the picture has the usual size."""
    stages = [stage(1, 1, "warmup", "linear"), stage(2, 4, "decay", "cosine")]
    chart = curves.lr_chart(rates(0.1, 0.2, 0.3, 0.3, 0.2, 0.1), stages)
    assert chart is not None
    spans = [(span.start, span.end, span.label) for span in chart.spans]
    assert spans == [(1, 4, "1 linear warm-up"), (4, 6, "2 cosine decay")]
    assert "6 printed values, from 0.1 to 0.1, between 0.1 and 0.3; 1 linear warm-up and 2 cosine decay" in chart.alt
    assert size(charts.draw(chart)) == (988, 416)


def test_a_rate_that_never_changes_has_no_chart():
    """One value says nothing that the table does not."""
    assert curves.lr_chart(rates(0.1, None, 0.1), [stage(1, 1)]) is None
    assert curves.lr_chart(rates(None, None), []) is None


@pytest.mark.parametrize(("lowest", "scale"), [(0.0011, "linear"), (0.001, "log")])
def test_rates_over_two_decades_have_a_log_scale(lowest: float, scale: str):
    """A rate of 0 takes no part in the choice; the names of stages stand above every rate."""
    from matplotlib.figure import Figure

    chart = curves.lr_chart(rates(0.0, lowest, 0.1), [stage(1, 1)])
    assert chart is not None
    axes = Figure().subplots()
    charts._draw_rates(axes, chart)
    assert axes.get_yscale() == scale
    assert axes.transData.transform((1, 0.1))[1] < axes.transAxes.transform((0, 1 - charts.STRIP))[1]


def test_a_saw_tooth_stays_one():
    """Rates of 200 cycles of 10 epochs, as thousands of rows: each value is drawn, not the mean of a bucket."""
    chart = curves.lr_chart(rates(*(0.1 * (1 + n // 4 % 10) for n in range(8_000))), [])
    raw = series(chart, "raw")
    assert raw["y"].n_unique() == 10
    assert raw.height == 4_000  # the ends of each plateau


def test_stages_without_a_place_on_the_axis_are_not_marked():
    """A log that prints epochs alone, in cycles that begin anew."""
    by_epoch = rates(0.1, 0.2).with_columns(axis=pl.lit("epoch"))
    unplaced = [stage(1, None) | {"first_cycle": 1}]
    assert curves.stage_spans(unplaced, "epoch", 1.0, 2.0) == ()
    assert curves.stage_spans(unplaced, "iteration", 1.0, 2.0) == ()
    chart = curves.lr_chart(by_epoch, [stage(1, None)])
    assert chart is not None
    assert [span.label for span in chart.spans] == ["constant"]


def test_equal_charts_give_equal_bytes(monkeypatch: pytest.MonkeyPatch):
    """Drawing twice gives the same file, also where the user's own style differs."""
    import matplotlib as mpl

    chart = curves.loss_chart(sa2va_records(), ())
    assert chart is not None
    first = charts.draw(chart)
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 9)
    monkeypatch.setitem(mpl.rcParams, "text.usetex", False)
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "red")
    assert charts.draw(chart) == first


def test_matplotlib_is_imported_only_when_something_is_drawn():
    """Importing the build does not import matplotlib: `--help` and a report without charts stay quick."""
    code = "import sys, trainqc.pipeline.report.build; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_million_points_become_few_and_keep_their_spike():
    """Of a million values at most 500 buckets are drawn; one odd high value is still the highest of its bucket."""
    y = pl.Series([1.0]).new_from_index(0, 1_000_000).scatter(723_456, 99.0)
    raw = series(curves.loss_chart(made(y), ()), "raw")
    assert raw.height <= curves.BUCKETS
    assert raw["hi"].max() == 99.0
    assert raw["lo"].min() == 1.0


def test_reduced_buckets_hold_the_true_means():
    """Each bucket's y is the mean of its values: over equal buckets their mean is the mean of everything."""
    y = pl.Series(range(100_000)).cast(pl.Float64)
    reduced = curves.reduce(made(y).select("x", pl.col("loss").alias("y")))
    assert reduced["y"].mean() == pytest.approx(y.mean(), rel=1e-3)
    assert reduced["x"].is_sorted()


def test_no_line_bridges_a_long_gap():
    """Between two stretches with nothing printed in between the reduced line is broken."""
    rows = made(pl.Series([1.0]).new_from_index(0, 4000)).with_columns(
        pl.when(pl.col("x") > 2000).then(pl.col("x") + 10_000).otherwise("x").alias("x")
    )
    raw = series(curves.loss_chart(rows, ()), "raw")
    assert raw["y"].null_count() == 1
    assert raw["x"].is_sorted()


def test_a_median_beyond_the_printed_pace_is_in_view():
    """Where clocks and the printed (smoothed) rate disagree, the median is not outside of the picture."""
    from matplotlib.figure import Figure

    chart = curves.pace_chart(made(pl.Series([1.0, 1.0])), (), 20.0)
    assert chart is not None
    axes = Figure().subplots()
    charts._draw_pace(axes, chart)
    assert axes.get_ylim()[1] > 20.0


def test_nan_and_infinite_values_are_marked_and_counted():
    """Values that are no numbers are not dropped: they are the series `odd`, and the text for the blind counts them."""
    y = pl.Series([1.0, float("nan"), 0.9, float("inf"), 0.8])
    chart = curves.loss_chart(made(y), ())
    assert series(chart, "odd")["x"].to_list() == [2.0, 4.0]
    assert series(chart, "raw")["x"].to_list() == [1.0, 3.0, 5.0]
    assert chart is not None
    assert "2 values NaN or infinite" in chart.alt
    assert size(charts.draw(chart)) == (988, 416)


@pytest.mark.parametrize("y", [[float("nan")] * 3, [1.0], [0.0] * 10, [-1.0, 1.0], [1e-12, 1e12], [5.0] * 2000])
def test_odd_series_are_drawn_without_a_warning(y: list[float]):
    """All NaN, one point, constant, negative, 24 decades: always a picture."""
    chart = curves.loss_chart(made(pl.Series(y)), ())
    assert chart is not None
    assert size(charts.draw(chart)) == (988, 416)


def test_nothing_printed_is_no_chart():
    """Where neither loss nor pace was printed there is no chart, and no empty axes."""
    rows = made(pl.Series([None], dtype=pl.Float64)).with_columns(pl.lit(None, pl.Float64).alias("s_per_iter"))
    assert curves.loss_chart(rows, ()) is None
    assert curves.pace_chart(rows, (), 1.0) is None


def test_iterations_are_counted_through_epochs():
    """Records by epoch stand at (epoch − 1) × iterations per epoch + iteration; validation at the end of its epoch."""
    key = {"log_id": "log1", "redraw": 0, "piece": 0, "format": "mmengine"}
    shown = [("train", 1, 50, 100), ("train", 1, 100, 100), ("val", 1, 20, 20), ("train", 2, 50, 100)]
    rows = [
        key | {"line": line, "phase": phase, "epoch": epoch, "iter": i, "iters_per_epoch": n}
        for line, (phase, epoch, i, n) in enumerate(shown, 1)
    ]
    losses = [key | {"line": line, "name": "loss", "printed_name": "loss", "value": 1.0} for line in (1, 2, 3, 4)]
    got = records_of(frame(PROGRESS, *rows), frame(METRICS, *losses), 100)
    assert got.select("phase", "x").rows() == [("train", 50.0), ("train", 100.0), ("val", 100.0), ("train", 150.0)]


def test_a_bar_that_starts_again_goes_on():
    """A bar's n restarts in each epoch; the axis runs on, and an outer bar with another total is left out."""
    key = {"log_id": "log1", "redraw": 0, "piece": 0, "format": "tqdm"}
    inner = [key | {"line": k + 1, "bar": "train", "iter": n, "iters_per_epoch": 4} for k, n in enumerate([2, 4, 2, 4])]
    outer = [key | {"line": k + 10, "bar": "epochs", "iter": k, "iters_per_epoch": 2} for k in (1, 2)]
    with_pace = [row | {"s_per_iter": 0.1} for row in (*inner, *outer)]
    got = records_of(frame(PROGRESS, *with_pace), METRICS.empty(), 4)
    assert got["x"].to_list() == [2.0, 4.0, 6.0, 8.0]


def test_a_loading_bar_before_the_training_is_left_out():
    """A run that knows only its planned total takes the bar with that total, not the shards loaded before it."""
    key = {"log_id": "log1", "redraw": 0, "piece": 0, "format": "tqdm", "s_per_iter": 0.1}
    shards = [key | {"line": n, "bar": "Loading shards", "iter": n, "iters_per_epoch": 7} for n in range(1, 8)]
    steps = [key | {"line": 10 + n, "bar": None, "iter": n, "iters_per_epoch": 11_900} for n in (1, 2, 3)]
    got = curves.curve_records(
        frame(PROGRESS, *shards, *steps),
        METRICS.empty().select(curves.LOSS_COLUMNS),
        attempts().head(1),
        iters_planned=11_900,
    )
    assert got["x"].to_list() == [1.0, 2.0, 3.0]


def test_after_a_resume_the_later_attempt_stands():
    """Iterations that were done twice are drawn once, as the later attempt printed them."""
    key = {"redraw": 0, "piece": 0, "format": "mmengine", "phase": "train"}
    shown = [("old", 1, 10, 1.0), ("old", 2, 20, 2.0), ("new", 1, 20, 5.0), ("new", 2, 30, 6.0)]
    rows = [key | {"log_id": log, "line": line, "global_iter": i} for log, line, i, _ in shown]
    losses = [
        key | {"log_id": log, "line": line, "name": "loss", "printed_name": "loss", "value": y}
        for log, line, _, y in shown
    ]
    both = frame(
        ATTEMPTS,
        {"log_id": "new", "first_line": 1, "last_line": 9, "started_at": attempts()["ended_at"][0]},
        {"log_id": "old", "first_line": 1, "last_line": 9, "started_at": attempts()["started_at"][0]},
    )
    got = curves.curve_records(frame(PROGRESS, *rows), frame(METRICS, *losses).select(curves.LOSS_COLUMNS), both)
    raw = series(curves.loss_chart(got, ()), "raw")
    assert dict(zip(raw["x"], raw["y"], strict=True)) == {10.0: 1.0, 20.0: 5.0, 30.0: 6.0}


def test_cycles_stand_behind_each_other():
    """Where the epochs begin again and the model goes on, the curve goes on too, validations with it."""
    key = {"log_id": "log1", "redraw": 0, "piece": 0, "format": "keras", "iters_per_epoch": 10}
    printed = [
        ("train", 1, 10),
        ("train", 2, 10),
        ("val", 2, None),
        ("train", 1, 10),
        ("train", 2, 10),
        ("val", 2, None),
    ]
    rows = [key | {"line": n, "phase": p, "epoch": e, "iter": i} for n, (p, e, i) in enumerate(printed, 1)]
    got = curves.curve_records(
        frame(PROGRESS, *rows),
        METRICS.empty().select(curves.LOSS_COLUMNS),
        attempts().head(1),
        iters_per_epoch=10,
        cycles=2,
    )
    assert got["x"].to_list() == [10.0, 20.0, 20.0, 30.0, 40.0, 40.0]


def test_marks_are_epoch_ends_and_checkpoints():
    """The last epoch's end is the axis' end and no mark; checkpoints stand at their iterations."""
    epoch, checkpoint = curves.chart_marks([1224, 2448, 3672], events(), 1224)
    assert epoch == Mark("epoch", (1224.0, 2448.0))
    assert checkpoint.xs == (500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 3672.0)
