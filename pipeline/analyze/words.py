"""Numbers inside sentences, as expressions."""

import polars as pl


def grouped(value: pl.Expr) -> pl.Expr:
    """A whole number with a comma between thousands: 3672 → "3,672"; null stays null."""
    digits = value.cast(pl.Int64).cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "${1},").str.reverse()
    return digits.str.strip_chars_start(",")


def brief(value: pl.Expr) -> pl.Expr:
    """A number without a needless ".0": 8.0 → "8", 0.5 → "0.5"; null stays null."""
    return pl.when(value == value.round()).then(grouped(value)).otherwise(value.round(3).cast(pl.String))


def span(seconds: pl.Expr) -> pl.Expr:
    """A duration as a person says it: "45 s", "23.9 min", "16.47 h"; null stays null."""
    return (
        pl.when(seconds < 90)
        .then(pl.format("{} s", seconds.round().cast(pl.Int64)))
        .when(seconds < 5400)
        .then(pl.format("{} min", (seconds / 60).round(1)))
        .otherwise(pl.format("{} h", (seconds / 3600).round(2)))
    )
