"""Chart → PNG. The only importer of matplotlib, and only when something is drawn.

Equal charts give equal bytes with one version of matplotlib: its defaults are set here, not by the user's matplotlibrc,
and no date or version is written into the file. Colours are of the Okabe-Ito set, which colour-blind readers can tell
apart; nothing is told by colour alone. No text of a log is drawn: `$` in it would be read as a formula.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import polars as pl

from .model import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE_VERSION = 2  # raised when the look changes, so that charts made before are drawn again

WIDTH_IN, HEIGHT_IN, DPI = 7.6, 3.2, 130

BLUE, SKY, VERMILION, GREEN = "#0072B2", "#56B4E9", "#D55E00", "#009E73"
INK, GREY, FAINT = "#333333", "#8A8A8A", "#E4E4E4"

MARKERS = {"checkpoint": ("^", GREEN, "checkpoint"), "resume": ("D", VERMILION, "resumed")}
LEGEND_COLUMNS = 6
STRIP = 0.11  # upper part of the axes that holds the names of stages
LETTER_SHARE = 0.0115  # width of a small letter, as a share of the x axis
STRAY_SHARE = 0.05  # at most this share of the values may lie above the drawn range, and is counted in the legend


def draw(chart: Chart) -> bytes:
    """The chart as a PNG, 988 × 416 pixels."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        **mpl.rcParamsDefault,
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": GREY,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "path.simplify": True,
        "agg.path.chunksize": 0,
    }
    for name in ("backend", "backend_fallback", "interactive", "toolbar"):
        style.pop(name, None)
    with mpl.rc_context(style):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        if chart.name == "scaling":
            _draw_scaling(figure, chart)
        else:
            axes = figure.subplots()
            {"loss": _draw_loss, "pace": _draw_pace, "lr": _draw_rates}[chart.name](axes, chart)
            _frame(axes, chart)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_loss(axes: Axes, chart: Chart) -> None:
    raw, mean, val = (_of(chart, series) for series in ("raw", "mean", "val"))
    _set_scale(axes, pl.concat([raw, val]))
    alone = mean.is_empty()
    _band(axes, raw, BLUE)
    strength, width = (1, 1.4) if alone else (0.35, 0.8)
    axes.plot(raw["x"], raw["y"], color=BLUE, alpha=strength, linewidth=width, label=_name(raw))
    if raw.height == 1:
        axes.plot(raw["x"], raw["y"], "o", color=BLUE, markersize=4)
    if not alone:
        axes.plot(mean["x"], mean["y"], color=BLUE, linewidth=1.8, label=chart.level_label)
    if val.height:
        line = "-" if val.height > 1 else ""
        size = 5 if val.height <= 60 else 2.5
        axes.plot(
            *(val["x"], val["y"]), line, color=VERMILION, linewidth=1, marker="o", markersize=size, label="validation"
        )


def _draw_pace(axes: Axes, chart: Chart) -> None:
    raw, wait = _of(chart, "raw"), _of(chart, "wait")
    top = max(_top(raw), 1.12 * (chart.level or 0))
    axes.set_ylim(0, top)
    if wait.height:
        axes.fill_between(wait["x"], 0, wait["y"], color=SKY, alpha=0.45, linewidth=0, label="waiting for data")
    _band(axes, raw, BLUE)
    axes.plot(raw["x"], raw["y"], color=BLUE, linewidth=0.9, alpha=0.85, label=_name(raw))
    if raw.height == 1:
        axes.plot(raw["x"], raw["y"], "o", color=BLUE, markersize=4)
    if chart.level is not None:
        axes.axhline(chart.level, color=VERMILION, linewidth=1.4, zorder=1.9, label=chart.level_label)
    stray = raw.filter(pl.col("hi") > top)
    if stray.height:
        highest = stray["hi"].max()
        label = f"higher, up to {highest:,.3g} s"
        axes.plot(stray["x"], [top * 0.985] * stray.height, "^", color=GREY, markersize=4, clip_on=False, label=label)


def _draw_rates(axes: Axes, chart: Chart) -> None:
    """The learning rate, its stages as stripes with their names above it, in a strip that no rate reaches."""
    raw = _of(chart, "raw")
    few = raw.height <= 60
    _set_scale(axes, raw.filter(pl.col("lo") > 0))
    _band(axes, raw, BLUE)
    axes.plot(
        raw["x"], raw["y"], color=BLUE, linewidth=1.4, marker="o" if few else "", markersize=3.5, label=_name(raw)
    )
    low, high = axes.get_ylim()
    if not chart.spans:
        return
    strip = STRIP / (1 - STRIP)
    if axes.get_yscale() == "log":
        axes.set_ylim(low, high * (high / low) ** strip)
    else:
        axes.set_ylim(low, high + strip * (high - low))
    whole = chart.spans[-1].end - chart.spans[0].start
    for place, span in enumerate(chart.spans):
        if place % 2:
            axes.axvspan(span.start, span.end, color=FAINT, alpha=0.55, linewidth=0, zorder=0.2)
        number, share = span.label.split(" ")[0], (span.end - span.start) / whole
        fitting = [text for text in (span.label, number) if len(text) * LETTER_SHARE <= share]
        if fitting:
            middle = (span.start + span.end) / 2
            axes.text(
                *(middle, 0.975, fitting[0]), transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8.5
            )


def _draw_scaling(figure: Figure, chart: Chart) -> None:
    """Throughput over the batch size, and beside it memory, where it is known of several."""
    memory = not _of(chart, "memory").is_empty()
    panels = figure.subplots(1, 2 if memory else 1, squeeze=False)[0]
    names = [("throughput", chart.title, chart.y_label, BLUE), ("memory", "Memory", "GiB", GREEN)]
    for axes, (series, title, y_label, colour) in zip(panels, names, strict=False):
        _draw_over_batch(axes, chart, series, colour)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.set_xlabel(chart.x_label)
        axes.set_ylabel(y_label)
        axes.legend(loc="upper left", frameon=False, fontsize=8.5, handlelength=1.8)
    figure.subplots_adjust(left=0.085, right=0.975, top=0.91, bottom=0.16, wspace=0.24)


def _draw_over_batch(axes: Axes, chart: Chart, series: str, colour: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    points, line = _of(chart, series), _of(chart, f"{series}_line")
    if line.height:
        axes.plot(line["x"], line["y"], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)), label="fitted line")
    if series == "throughput":
        smallest = points.sort("x").row(0, named=True)
        ends = [smallest["x"], points["x"].max()]
        even = [smallest["y"] * x / smallest["x"] for x in ends]
        axes.plot(ends, even, color=SKY, linewidth=1, linestyle=(0, (1, 2)), label="in proportion to the batch")
        axes.set_yscale("log", base=2)
    sizes = points.group_by("x").agg(pl.col("y").median()).sort("x")
    axes.plot(points["x"], points["y"], "o", color=colour, markersize=5, label="measured")
    if series == "throughput":
        axes.plot(sizes["x"], sizes["y"], color=colour, linewidth=1.4, alpha=0.6)
        axes.set_xscale("log", base=2)
    else:
        axes.set_xlim(left=0)  # a straight line is seen as one
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.margins(x=0.06)
    if series == "throughput":
        axes.xaxis.set_major_locator(FixedLocator(sizes["x"].gather_every(-(-sizes.height // 10)).to_list()))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.6g}"))
    if series == "memory":
        axes.set_ylim(bottom=0)


def _band(axes: Axes, raw: pl.DataFrame, colour: str) -> None:
    """Lowest to highest of each bucket, where the points were reduced."""
    if (raw["hi"] != raw["lo"]).any():
        axes.fill_between(
            raw["x"], raw["lo"], raw["hi"], color=colour, alpha=0.18, linewidth=0, label="lowest to highest"
        )


def _name(raw: pl.DataFrame) -> str:
    return "mean" if (raw["hi"] != raw["lo"]).any() else "as printed"


def _set_scale(axes: Axes, values: pl.DataFrame) -> None:
    """A logarithmic axis where all values are positive and span two decades or more."""
    lowest, highest = values.select(pl.min("lo"), pl.max("hi")).row(0)
    if lowest is not None and lowest > 0 and highest >= 100 * lowest:
        axes.set_yscale("log")


def _top(raw: pl.DataFrame) -> float:
    """Upper end of a range that starts at 0: everything, unless few values stand far above all others."""
    highest, usual = raw.select(pl.max("hi"), pl.col("y").quantile(1 - STRAY_SHARE).alias("usual")).row(0)
    if not highest or highest <= 0:
        return 1.0
    return highest * 1.12 if highest <= 3 * usual or usual <= 0 else usual * 1.6


def _frame(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    axes.set_axisbelow(True)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    scaled = ", log scale" if axes.get_yscale() == "log" else ""
    axes.set_title(chart.title + ("" if chart.y_label else scaled), loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label + scaled if chart.y_label else "")
    axes.margins(x=0.012)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.6g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    on_edge = axes.get_xaxis_transform()
    for mark in chart.marks if chart.x_label == "iteration" else ():
        if mark.kind == "epoch":
            for place, x in enumerate(mark.xs):
                label = "epoch ends" if place == 0 else None
                top = 1 - STRIP if chart.spans else 1
                axes.axvline(x, 0, top, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0.5, label=label)
        else:
            shape, colour, label = MARKERS[mark.kind]
            few = len(mark.xs) <= 60
            axes.plot(
                *(mark.xs, [0.0] * len(mark.xs), shape if few else "|"),
                color=colour,
                markersize=6 if few else 4,
                alpha=1 if few else 0.6,
                transform=on_edge,
                clip_on=False,
                zorder=4,
                label=label,
            )
    odd = _of(chart, "odd")
    if odd.height:
        axes.plot(
            *(odd["x"], [0.02] * odd.height, "x"),
            color=VERMILION,
            markersize=6,
            transform=on_edge,
            clip_on=False,
            zorder=5,
            label="NaN or infinite",
        )
    handles, labels = axes.get_legend_handles_labels()
    lines = -(-len(handles) // LEGEND_COLUMNS)
    # a fixed layout: matplotlib's automatic ones draw everything twice, and charts of several runs would not line up
    axes.figure.subplots_adjust(left=0.085, right=0.965, top=0.91, bottom=0.16 + 0.07 * lines)
    if handles:
        axes.figure.legend(
            *(handles, labels),
            loc="lower center",
            ncols=min(len(handles), LEGEND_COLUMNS),
            frameon=False,
            fontsize=8.5,
            handlelength=1.5,
            columnspacing=1.4,
        )


def _of(chart: Chart, series: str) -> pl.DataFrame:
    return chart.points.filter(pl.col("series") == series)
