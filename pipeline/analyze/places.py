"""Where a log lies and what that says: the folder of its run, the folder of its experiment, its stem.

mmengine writes `<work_dir>/<stamp>/<stamp>.log` beside `<work_dir>/<stamp>/vis_data/{<stamp>,scalars}.json`
(mmengine 0.1.0 to 0.10.7), so the run's folder is that of the text log, and of the JSON copy the one above `vis_data`.
"""

import polars as pl

STAMP = r"^((offline-)?run-)?\d{8}_\d{6}"
STAMPED_LOG = r"\d{8}_\d{6}[^/]*$"  # a log that mmengine or mmcv named after the second of its start
COPY = r"\.jsonl?(\.(gz|bz2|xz|zst))?$"
ENDINGS = r"(\.(log|txt|out|err|json|jsonl|bin|gz|bz2|xz|zst))+$"
# folder and file names that every project has, or that are numbers only: they name no run
NAMELESS = (
    r"(?i)^([\d_.:T-]*|vis_data|work_?dirs?|exps?|experiments?|logs?|out|outputs?|results?|runs?|train|training"
    r"|checkpoints?|ckpts?|main|stdout|stderr|wandb|files|output|console|nohup|scalars)$"
)


def places(logs: pl.DataFrame) -> pl.DataFrame:
    """One row per log: log_id, path, address, folder (of the run), parent (of that folder), stem, is_copy.

    `is_copy` marks the JSON form, which repeats a text log and speaks only where none stands beside it.
    """
    given_file = pl.col("root").str.ends_with(pl.concat_str(pl.lit("/"), "path")) | (pl.col("root") == pl.col("path"))
    file = pl.col("path").str.split("/").list.last()
    return (
        logs.select("log_id", "root", "path")
        .with_columns(
            address=pl.when(given_file).then("root").otherwise(pl.concat_str("root", "path", separator="/")),
            stem=file.str.replace(ENDINGS, ""),
            is_copy=file.str.contains(COPY),
        )
        .with_columns(folder=above("address").str.replace(r"/vis_data$", ""))
        .with_columns(parent=above("folder"))
        .drop("root")
    )


def above(path: str) -> pl.Expr:
    """The folder that holds `path`; the empty string above the topmost."""
    return (
        pl.when(pl.col(path).str.contains("/", literal=True))
        .then(pl.col(path).str.replace(r"/[^/]*$", ""))
        .otherwise(pl.lit(""))
    )


def names(runs: pl.DataFrame) -> pl.DataFrame:
    """`runs` (run_id, path, stem: of the run's first log) with `name` and `experiment`.

    The name is safe as a file name: letters, digits and `_.+=@-`, 120 at most, no dot in front. It is the innermost
    folder of the path that says something; where several runs share it or lie below it, the stem; then both; then both
    with run_id.
    """
    folders = pl.col("path").str.split("/").list.slice(0, pl.col("path").str.count_matches("/", literal=True))
    telling = folders.list.eval(
        pl.element().filter(~pl.element().str.contains(NAMELESS) & ~pl.element().str.contains(STAMP))
    )
    stem = pl.when(pl.col("stem").str.contains(NAMELESS)).then(None).otherwise("stem")
    mark = pl.coalesce(
        stem, folders.list.eval(pl.element().filter(pl.element().str.contains(STAMP))).list.last(), "stem"
    )
    here = pl.concat_str(above("path"), pl.lit("/"))
    holds_others = here.is_in(_with_folders_below(runs.select(here).to_series()).implode())
    folder = pl.when(holds_others & stem.is_not_null()).then(None).otherwise(telling.list.last())
    plain = pl.coalesce(folder, stem, folders.list.last(), "stem")
    both = pl.when(mark == plain).then(plain).otherwise(pl.concat_str(plain, pl.lit("-"), mark))
    step = runs.with_columns(
        experiment=pl.when(telling.list.len() > 0).then(telling.list.join("/")).otherwise(plain),
        plain=clean(plain),
        own=clean(pl.coalesce(stem, both)),
        both=clean(both),
    )
    unique = (
        pl.when(pl.col("plain").is_unique()).then("plain").when(pl.col("own").is_unique()).then("own").otherwise("both")
    )
    step = step.with_columns(name=unique)
    full = pl.concat_str(
        "name", pl.lit("-"), pl.col("run_id").str.slice(0, 8), pl.lit("-"), pl.col("run_id").str.split("-").list.last()
    )
    return step.with_columns(name=pl.when(pl.col("name").is_unique()).then("name").otherwise(full)).drop(
        "plain", "own", "both"
    )


def _with_folders_below(folders: pl.Series) -> pl.Series:
    """The folders of runs, each ending in `/`, below which another run has its folder."""
    each = folders.unique().sort()
    return each.to_frame("each").filter(pl.col("each").shift(-1).str.starts_with(pl.col("each"))).to_series()


def clean(name: pl.Expr) -> pl.Expr:
    """A name without what a path, a terminal or a page could take for its own."""
    return name.str.replace_all(r"[^\w.+=@-]", "_").str.replace(r"^\.+", "_").str.slice(0, 120)
