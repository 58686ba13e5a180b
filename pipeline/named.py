"""What a log's file name states: the scheduler's job and array task, by the patterns that Slurm and PBS use.

slurm-481205.out           slurm-%j      job 481205
slurm-4812_7.out           slurm-%A_%a   job 4812, task 7
vessel-481205.out, .err    %x-%j         job 481205
vessel-4812_7.log          %x-%A_%a      job 4812, task 7
vessel.o481205, .e481205   PBS, SGE      job 481205 (.o481205.7: task 7)
"""

import polars as pl

JOB_FILE = (
    r"(?:^|/)(?:"
    r"(?i:slurm|job)[-_.]?(?P<job>[0-9]{1,10})(?:_(?P<task>[0-9]{1,6}))?(?:[-_.](?i:out|err|log|txt|stdout|stderr))*"
    r"|[^/]*[-_.](?P<named_job>[0-9]{5,10})(?:_(?P<named_task>[0-9]{1,5}))?\.(?i:out|err|stdout|stderr|o|e)"
    r"|[^/]*[-.](?P<array_job>[0-9]{4,10})_(?P<array_task>[0-9]{1,5})\.(?i:out|err|log|txt)"
    r"|[^/]*\.[oe](?P<pbs_job>[0-9]{3,10})(?:[.-](?P<pbs_task>[0-9]{1,6}))?"
    r")(?:\.(?:gz|bz2|xz|zst))?$"
)
DATED = r"(?:^|[^0-9])(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{2}){0,3}(?:[^0-9]|$)"
"""A name with a day in it is no job's, unless it begins with `slurm` or `job`: `run-20230604_153610.out`."""


def facts_of_names(names: pl.DataFrame) -> pl.DataFrame:
    """Rows of `facts` (source log, line null) for rows with log_id and path: job_id, array_task."""
    job = pl.coalesce("job", "named_job", "array_job", "pbs_job")
    task = pl.coalesce("task", "named_task", "array_task", "pbs_task")
    found = (
        names.select("log_id", pl.col("path").str.extract_groups(JOB_FILE))
        .unnest("path")
        .with_columns(dated=names["path"].str.extract(r"([^/]*)$").str.contains(DATED))
        .filter(pl.col("job").is_not_null() | ~pl.col("dated"))
        .select("log_id", job_id=job, array_task=task)
    )
    rows = found.unpivot(["job_id", "array_task"], index="log_id", variable_name="name", value_name="value")
    return rows.drop_nulls("value").select(
        "log_id",
        "name",
        "value",
        number=pl.col("value").cast(pl.Float64),
        source=pl.lit("log"),
        line=pl.lit(None, pl.Int64),
    )
