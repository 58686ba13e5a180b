"""Every table: its columns with type, unit and meaning, and the version of its contract.

Columns may be added; one that stands here stays as it is. `table` tells how they are declared.
"""

import polars as pl

from .table import TYPES, Column
from .table import Table as Table
from .table import conform as conform
from .table import declare as declare

SAY_THEIR_PHASE = ("keras",)
"""Formats whose training records all say so: a record without a phase is another loop there."""


def trains() -> pl.Expr:
    """Whether a row of `progress` or `metrics` (with format and phase) is the training's. Most logs never say."""
    return pl.col("phase").eq("train").fill_null(~pl.col("format").is_in(SAY_THEIR_PHASE))


SOURCE_ENDING = (
    r"(?i)(\.(?:py|pyi|ipynb|md|rst|tex|bib|html?|css|jsx?|tsx?|vue|sh|bash|zsh|slurm|sbatch|ya?ml|toml|cfg|ini|conf|xml"
    r"|lock|c|cc|cpp|cu|cuh|h|hpp|java|go|rs|rb|pl|lua|jl|m|r|patch|diff|gitignore|gitattributes))$"
)
"""Endings of source code and documents. One in which nothing was found is left out; one that only quotes records makes
no run (`analyze/quotations.py`); any other is a log like others."""

# ── written by ingest: what the logs say, no judgement over several formats or logs ──────────────────────────────────

LOGS = declare(
    "logs",
    1,
    """
    log_id          str        ·      hash of the log's absolute address (root and relative path)
    root            str        ·      folder or file that was given on the command line, absolute
    path            str        ·      path relative to root; the file's name where the root is a file
    bytes           i64        B      size on disk when it was read
    modified_at     utc        ·      the file's modification time
    owner           str        ·      the file's owner, as a name or a number
    fingerprint     str        ·      hash of size and both ends: tells a moved file from a new one
    encoding        str        ·      encoding that the text was read with
    compression     str        ·      gzip, bz2, xz or zstd; null for plain text
    lines           i64        lines  physical lines (\\n) of the text
    formats         list[str]  ·      formats that were recognised, sorted
    records         i64        rows   rows in `progress`
    status          str        ·      parsed, unrecognized, empty, unreadable, partial or left_out
    message         str        ·      why it is not `parsed`, or what was odd; for left_out how many files of what kind
    lines_parsed    i64        lines  lines that gave at least one row
    lines_known     i64        lines  lines recognised as no record (configuration dump, banner, blank)
    lines_unknown   i64        lines  lines that no parser knew
    bytes_before    i64        B      size at the read before this one, where the file was read before and has changed
    encoding_confidence  f64   ·      how sure the encoding is, 0..1: 1 for ASCII, valid UTF-8 and byte order marks
    """,
)

PROGRESS = declare(
    "progress",
    1,
    """
    log_id           str!  ·      the log
    line             i64!  ·      physical line, 1-based
    redraw           i32!  ·      0-based among the non-empty redraws of the line
    piece            i32!  ·      0 for the record that begins the redraw, 1 … for records glued behind it
    format           str!  ·      parser that read the row
    bar              str   ·      a bar's description, or the cursor row of an unnamed nested bar
    rank             i32   ·      data-parallel rank that printed the row, where it says so
    phase            str   ·      train, val, test or predict; null where the record does not say
    logged_at        time  ·      the log's own clock, completed to a full date
    epoch            i32   ·      1-based epoch
    epochs_planned   i32   ·      epochs that the log plans
    iter             i64   iter   iterations done within the epoch, or a bar's n
    iters_per_epoch  i64   iter   printed total of `iter`
    global_iter      i64   iter   iterations done since the start of training
    iters_planned    i64   iter   printed total of `global_iter`
    update           i64   ·      optimizer updates done
    updates_planned  i64   ·      printed total of `update`
    samples_seen     i64   ·      samples drawn since the start of training, as printed
    s_per_iter       f64   s      seconds per iteration as printed
    data_s_per_iter  f64   s      part of it spent waiting for data, as printed
    elapsed_s        f64   s      elapsed time as printed
    eta_s            f64   s      remaining time as printed
    memory_mib       f64   MiB    accelerator memory as printed
    lr               f64   ·      learning rate as printed
    """,
)

METRICS = declare(
    "metrics",
    1,
    """
    log_id        str! ·      the log
    line          i64! ·      physical line, 1-based
    redraw        i32! ·      as in `progress`
    piece         i32! ·      as in `progress`
    format        str! ·      parser that read the row
    phase         str  ·      train, val, test or predict; null where the record does not say
    epoch         i32  ·      1-based epoch
    iter          i64  iter   iterations done within the epoch
    global_iter   i64  iter   iterations done since the start of training
    name          str! ·      canonical name: a leading val_, eval_, test_ has become the phase
    printed_name  str! ·      the name as it stands in the log
    value         f64! ·      the value; NaN and inf are kept
    """,
)

FACTS = declare(
    "facts",
    1,
    """
    log_id  str  ·  the log
    name    str  ·  canonical name (batch_size, world_size, …) or the path of enclosing names in a configuration
    value   str  ·  the value as printed
    number  f64  ·  the value as a number, where it is one
    source  str  ·  log, config or user
    line    i64  ·  physical line; null for what the user gave
    """,
)

CLOCKS = declare(
    "clocks",
    1,
    """
    log_id     str   ·  the log
    line       i64   ·  physical line of the stamp
    logged_at  time  ·  first and last stamp of the log and of every stretch without records
    """,
)

EVENTS = declare(
    "events",
    1,
    """
    log_id       str   ·     the log
    line         i64   ·     physical line
    rank         i32   ·     rank that printed it, where it says so
    logged_at    time  ·     the log's own clock
    kind         str   ·     start, resume, checkpoint, best, early_stop, out_of_memory, killed, cancelled, traceback …
    epoch        i32   ·     epochs done at that moment, where the line says so
    global_iter  i64   iter  iterations done at that moment, where the line says so
    message      str   ·     what the log says, 300 characters at most
    """,
)

GPU = declare(
    "gpu",
    1,
    """
    log_id            str   ·    the log
    line              i64   ·    physical line
    sampled_at        time  ·    the sample's own clock
    host              str   ·    host name
    gpu               i32   ·    index of the GPU
    gpu_name          str   ·    model
    utilization_pct   f64   %    share of the sample period in which a kernel ran
    memory_used_mib   f64   MiB  memory in use
    memory_total_mib  f64   MiB  memory of the card
    power_w           f64   W    power draw
    power_limit_w     f64   W    power limit
    temperature_c     f64   °C   temperature
    """,
)

ISSUES = declare(
    "issues",
    1,
    """
    log_id  str  ·     the log
    line    i64  ·     physical line of the first case
    redraw  i32  ·     redraw of the first case
    code    str  ·     bad_value, drift, long_line, bad_bytes, truncated …
    column  str  ·     column (bad_value) or shape (drift) that it concerns
    raw     str  ·     the text, 120 characters at most
    count   i64  rows  how many like this the log has, this one included
    """,
)

SOURCES = declare(
    "sources",
    1,
    """
    log_id  str  ·  the log
    line    i64  ·  physical line
    redraw  i32  ·  redraw of the line
    text    str  ·  the text of a line that a fact, event, finding or headline cites, 300 characters at most
    """,
)

# ── written by analyze, from the tables above alone ──────────────────────────────────────────────────────────────────

ATTEMPTS = declare(
    "attempts",
    1,
    """
    log_id            str   ·     the log
    attempt           i32   ·     1-based process lifetime within the log
    run_id            str   ·     the run that it belongs to
    copy_of           str   ·     log that speaks for it, where this is a copy of one process
    format            str   ·     format that speaks for the attempt
    rank              i32   ·     rank that printed it, where it says so
    first_line        i64   ·     first line of the attempt
    last_line         i64   ·     last line with a record, event or stamp
    started_at        time  ·     first stamp, records or not
    ended_at          time  ·     last stamp
    iters             i64   iter  training iterations that the attempt did
    superseded_iters  i64   iter  of these, done again by a later attempt after a resume
    train_records     i64   rows  training records of the format that speaks
    eval_records      i64   rows  its validation and test records; null where bars speak
    start_iter        i64   iter  global iterations done when the attempt began: 0, or where it resumed
    first_iter        i64   iter  global iteration of the first training record
    last_iter         i64   iter  last global iteration that a record, a checkpoint or a validation proves
    last_record_iter  i64   iter  global iteration of the last training record
    first_record_line i64   ·     line of the first training record
    last_record_line  i64   ·     line of the last training record
    checkpoint_iter   i64   iter  global iteration of the last checkpoint
    resume_iter       i64   iter  global iteration that a resume line names
    iters_per_epoch   i64   iter  iterations per epoch as printed
    iters_planned     i64   iter  iterations planned as printed
    epochs_planned    i32   ·     epochs planned as printed in the records
    first_epoch       i32   ·     epoch of the first training record
    last_epoch        i32   ·     epoch of the last training record
    samples_seen      i64   ·     samples of its epoch that the last training record which counts them counts
    line_iters        i64   iter  iterations between two training records, median
    line_s            f64   s     seconds between two training records, median
    val_iters         i64   iter  iterations of one validation as printed
    s_per_iter        f64   s     median seconds per training iteration
    s_per_iter_from   str   ·     timestamps, or log where the printed time is taken
    s_per_iter_mean   f64   s     mean
    s_per_iter_p95    f64   s     95th percentile
    s_per_iter_lo     f64   s     lower end of the interval of the median
    s_per_iter_hi     f64   s     upper end of the interval of the median
    s_per_iter_n      i64   ·     values behind it
    data_s            f64   s     sum of the printed waits for data
    data_of_s         f64   s     sum of the printed iteration times beside them
    elapsed_s         f64   s     time that the attempt's bars print as elapsed
    eta_s             f64   s     remaining time as last printed
    memory_peak_mib   f64   MiB   highest memory printed
    final_loss        f64   ·     last train loss of the log, where it falls into this attempt
    nan_losses        i64   rows  train losses of the log that are not a number, where the first falls into this attempt
    nan_loss_line     i64   ·     line of the first of them
    begun_by          str   ·     why it begins: log, start, resume, counter (fell back), anew (new model) or plan
    cycles            i32   ·     turns within it, where the epoch counter starts again and the model goes on
    """,
)

EPOCHS = declare(
    "epochs",
    1,
    """
    run_id            str  ·          the run
    attempt           i32  ·          attempt, 1-based within the run
    cycle             i32  ·          turn of an outer loop that restarts the epoch counter
    epoch             i32  ·          1-based epoch
    first_iter        i64  iter       first global iteration of the epoch
    last_iter         i64  iter       last global iteration of the epoch
    iters             i64  iter       iterations of the epoch
    iters_from        str  ·          source of iters
    updates           f64  ·          optimizer updates of the epoch (a window may straddle its end)
    train_s           f64  s          training time
    val_s             f64  s          validation time
    s_per_iter        f64  s          median seconds per training iteration
    samples_per_hour  f64  samples/h  samples drawn per hour of training
    lr_first          f64  ·          first learning rate printed
    lr_last           f64  ·          last learning rate printed
    """,
)

STAGES = declare(
    "stages",
    1,
    """
    run_id        str  ·     the run
    stage         i32  ·     1-based within the run
    kind          str  ·     constant, warmup or decay
    shape         str  ·     linear, exponential, cosine or step; null where the printed digits do not decide
    first_iter    i64  iter  first global iteration: the one behind the last row with another rate
    last_iter     i64  iter  last global iteration that shows it
    first_update  i64  ·     first update, where the log counts updates: the one behind the last row with another rate
    last_update   i64  ·     last update that shows it, where the log counts updates
    first_cycle   i32  ·     cycle in which it begins, in a run with cycles
    first_epoch   i32  ·     epoch (of that cycle) in which it begins
    last_cycle    i32  ·     cycle in which it ends
    last_epoch    i32  ·     epoch (of that cycle) in which it ends
    repeats       i32  ·     consecutive cycles in which it comes back, each time from first_epoch to last_epoch
    lr_first      f64  ·     first learning rate; of the first cycle where it repeats
    lr_last       f64  ·     last learning rate; of the first cycle where it repeats
    factor        f64  ·     rate over the one before, per steps_per (exponential) or from stair to stair (step)
    cycle_factor  f64  ·     rates of a cycle over those of the cycle before, where it repeats
    steps_per     str  ·     iteration, update, epoch or cycle: how often the schedule steps, where the rows show it
    evidence      str  ·     what shows it
    n             i64  rows  printed values
    residual      f64  ·     largest distance of a printed value from the shape, as a share of the largest rate
    log_id        str  ·     log that shows its first value
    line          i64  ·     line that shows its first value
    """,
)

FINDINGS = declare(
    "findings",
    1,
    """
    run_id    str  ·  the run
    code      str  ·  kind of finding
    severity  str  ·  info, warning or error
    message   str  ·  one sentence with the numbers
    advice    str  ·  what to do
    log_id    str  ·  the log that shows it
    line      i64  ·  the line that shows it
    """,
)

RUNS = declare(
    "runs",
    1,
    """
    run_id                   str        ·          hash of the run's first log_id and first line
    name                     str        ·          short name, unique in the output folder
    experiment               str        ·          runs that belong together for a person
    owner                    str        ·          owner of the first log
    job_id                   str        ·          job of the scheduler
    array_task               str        ·          array task of the scheduler
    hosts                    list[str]  ·          hosts that the logs name
    log_paths                list[str]  ·          logs of the run, each as in logs.path
    format                   str        ·          format that speaks for the run
    attempts                 i32        ·          process lifetimes
    state                    str        ·          finished, running, stalled, interrupted, failed or unknown
    state_reason             str        ·          why that state
    ended_by                 str        ·          epochs, max_steps, early_stop, time_limit …
    started_at               time       ·          first stamp in the logs, records or not
    ended_at                 time       ·          last stamp in the logs
    epochs_done              f64        ·          epochs done
    epochs_planned           i32        ·          epochs planned
    cycles                   i32        ·          turns of an outer loop
    cycles_planned           i32        ·          turns of it that the log plans
    iters_per_epoch          i64        iter       iterations per epoch
    iters_per_epoch_from     str        ·          source of iters_per_epoch
    iters_done               i64        iter       iterations done
    iters_planned            i64        iter       iterations planned
    iters_planned_from       str        ·          source of iters_planned
    num_samples              i64        ·          samples of the training set as the loader sees it
    num_samples_from         str        ·          source of num_samples
    val_samples              i64        ·          samples of the validation set
    val_iters                i64        iter       iterations of one validation
    batch_size               i64        ·          samples per rank per iteration
    batch_size_from          str        ·          source of batch_size
    world_size               i32        ·          data-parallel ranks
    world_size_from          str        ·          source of world_size
    gpus_visible             i32        ·          GPUs that the process could see
    gpu_name                 str        ·          their model
    grad_accum               i32        ·          iterations per update
    grad_accum_from          str        ·          source of grad_accum
    global_batch             i64        ·          samples per update
    updates_per_epoch        f64        ·          updates per epoch
    updates_done             i64        ·          updates done
    updates_done_from        str        ·          source of updates_done
    updates_planned          i64        ·          updates planned
    s_per_iter               f64        s          median true seconds per training iteration
    s_per_iter_from          str        ·          source of s_per_iter
    s_per_iter_mean          f64        s          mean
    s_per_iter_p95           f64        s          95th percentile
    s_per_iter_lo            f64        s          lower end of the interval of the median
    s_per_iter_hi            f64        s          upper end of the interval of the median
    s_per_iter_n             i64        ·          values behind it
    data_wait_fraction       f64        ·          share of an iteration spent waiting for data
    wall_s                   f64        s          first to last sign of life, summed over attempts
    wall_s_from              str        ·          source of wall_s
    train_s                  f64        s          time in training iterations
    samples_done             i64        ·          training samples drawn, padding left out
    samples_per_hour         f64        samples/h  samples_done per wall-clock hour
    samples_per_hour_from    str        ·          source of samples_per_hour
    train_samples_per_hour   f64        samples/h  batch_size × world_size × 3600 / s_per_iter
    memory_peak_mib          f64        MiB        highest memory printed
    gpu_hours                f64        GPU·h      world_size × wall hours
    gpu_hours_held           f64        GPU·h      GPUs visible or allocated × wall hours
    gpu_util_mean_pct        f64        %          mean utilisation from telemetry
    power_mean_w             f64        W          mean power from telemetry
    eta_s                    f64        s          time to go, of a running run
    finish_at                time       ·          expected end of a running run
    final_loss               f64        ·          the last train loss printed
    best_metric              str        ·          metric by which the run calls a state its best
    best_value               f64        ·          its value
    best_epoch               i32        ·          its epoch
    best_direction           str        ·          min or max; null when not known
    caveats                  list[str]  ·          what limits the numbers, and what the logs do not say
    """,
)

SNAPSHOTS = Table(
    "snapshots",
    1,
    (
        Column("as_of", TYPES["utc"], "", "when the report was made; a run stood so until its next row"),
        Column(
            "gone", TYPES["bool"], "", "the run is no longer among the runs: its log belongs to another; never null"
        ),
        *RUNS.columns,
    ),
)

CLAIMS = declare(
    "claims",
    1,
    """
    run_id  str   ·  the run
    name    str   ·  the quantity: num_samples, world_size, iters_per_epoch …, as in runs and facts
    low     i64   ·  its value, or the least that the sign allows; 1 and 0 for yes and no
    high    i64   ·  its value, or the most that the sign allows
    source  str   ·  log, config, user, counted, timestamps or default
    log_id  str   ·  the log that says it
    line    i64   ·  the line that says it; null for what the user gave
    text    str   ·  the words of that line, or what was seen there
    holds   bool  ·  whether the best explanation lets it stand; null where nothing can be said
    """,
)

QUANTITIES = {
    "num_samples": "samples",
    "raw_samples": "raw samples",
    "repeats": "repeats",
    "batch_size": "micro-batch",
    "grad_accum": "accumulation",
    "epochs_planned": "epochs",
    "cycles": "cycles",
    "world_size": "ranks",
    "drop_last": "last batch dropped",
    "iters_per_epoch": "iterations an epoch",
    "iters_planned": "iterations in all",
    "updates_per_epoch": "updates an epoch",
    "updates_planned": "updates in all",
    "global_batch": "samples an update",
    "sampler_batch": "samples that the sampler fills up to",
    "gpus_visible": "GPUs visible",
    "sequence_parallel": "ranks that share a sample",
}
"""What a person calls the quantities that `claims` names."""

EXPLANATIONS = declare(
    "explanations",
    1,
    """
    run_id                     str        ·     the run
    position                   i32        ·     1 for the most plausible explanation
    verdict                    str        ·     of the run: consistent, ambiguous, contradicted or unknown
    framework                  str        ·     framework that the counting took it for; null where none is known
    sampler                    str        ·     class of the sampler, as far as it is known
    fits                       bool       ·     whether it lets every claim stand
    rule                       str        ·     sampler or rule of the framework
    updates_rule               str        ·     what happens to the last iterations that fill no update
    samples_low                i64        ·     samples of the training set, at least
    samples_high               i64        ·     samples of the training set, at most
    batch_size                 i64        ·     samples per rank per iteration
    world_size                 i32        ·     data-parallel ranks
    repeats                    i64        ·     how often the data set is repeated within an epoch
    drop_last                  bool       ·     whether an incomplete last batch is dropped
    grad_accum                 i64        ·     iterations per update
    epochs                     i64        ·     epochs planned
    iters_per_epoch            i64        iter  iterations per epoch
    iters_planned              i64        iter  iterations in all
    updates_per_epoch          f64        ·     updates per epoch
    updates_planned            i64        ·     updates in all
    global_batch               i64        ·     samples per update
    padded_samples_per_epoch   i64        ·     samples drawn twice in an epoch
    dropped_samples_per_epoch  i64        ·     samples left out of an epoch
    samples_per_epoch          i64        ·     samples drawn in an epoch, padding included
    cycles                     i64        ·     turns of an outer loop around the epochs
    steps                      list[str]  ·     how the counts come about, in words; of the first explanation
    open                       list[str]  ·     what the first explanation leaves open, in words
    sentence                   str        ·     the explanation in one line; null for the first
    also                       list[str]  ·     other rules that give the same numbers
    far                        bool       ·     whether it takes more than one would assume without being told
    assumes                    list[str]  ·     what nobody claimed and has to be so
    contradicts                list[str]  ·     names of the claims that have to go
    would_decide               list[str]  ·     of the run: facts that would tell the explanations apart
    """,
)

ALTERNATIVES = declare(
    "alternatives",
    1,
    """
    run_id                    str   ·     the run
    position                  i32   ·     order, by ranks
    world_size                i32   ·     data-parallel ranks
    claimed                   bool  ·     whether somebody claims so many
    num_samples               i64   ·     samples of an epoch: those of the run, or the data set repeated
    iters_per_epoch           i64   iter  iterations per epoch that the log would print
    iters_planned             i64   iter  iterations in all that the log would print
    updates_planned           i64   ·     updates in all
    padded_samples_per_epoch  i64   ·     samples drawn twice in an epoch
    note                      str   ·     whether it fits, or what excludes it
    """,
)

SCALING = declare(
    "scaling",
    1,
    """
    run_id                str        ·             the run
    group                 str        ·             runs compared with each other: run_id of the smallest batch
    experiment            str        ·             what the group is called
    batch_size            i64        ·             samples per rank per iteration
    world_size            i32        ·             data-parallel ranks, equal within a group
    s_per_iter            f64        s             median seconds per training iteration
    rank_samples_per_s    f64        samples/s     batch_size / s_per_iter: what one rank trains
    samples_per_s         f64        samples/s     the same over all ranks
    relative_throughput   f64        ·             rank_samples_per_s over that of the group's smallest batch
    step_from             i64        ·             the next smaller batch size that was measured
    step_gain             f64        ·             throughput at this batch size over that at step_from
    step_efficiency       f64        ·             step_gain over the growth of the batch; 1: throughput grows with it
    doubling_gain         f64        ·             share more throughput that each doubling within the step brought
    memory_mib            f64        MiB           highest memory printed
    memory_base_mib       f64        MiB           memory of no sample, by the line through the group's runs
    memory_mib_per_sample f64        MiB/sample    slope of that line
    memory_residual_mib   f64        MiB           largest distance of a run from that line; 0 of two batch sizes
    memory_points         i32        ·             batch sizes behind the line
    iter_base_s           f64        s             time of an iteration of no sample, by such a line
    iter_s_per_sample     f64        s/sample      slope of that line
    iter_residual_s       f64        s             largest distance of a run from that line; 0 of two batch sizes
    iter_points           i32        ·             batch sizes behind the line
    fits                  bool       ·             false where the run ended for want of memory
    knee_batch            i64        ·             the group's batch size from which the next step no longer paid
    fails_batch           i64        ·             the group's smallest batch size that ended for want of memory
    differs               list[str]  ·             what else differs within the group, with its values
    """,
)

PARSED = (LOGS, PROGRESS, METRICS, FACTS, CLOCKS, EVENTS, GPU, ISSUES, SOURCES)
DERIVED = (ATTEMPTS, RUNS, EPOCHS, STAGES, FINDINGS, CLAIMS, EXPLANATIONS, ALTERNATIVES, SCALING)
TABLES: dict[str, Table] = {table.name: table for table in (*PARSED, *DERIVED, SNAPSHOTS)}
