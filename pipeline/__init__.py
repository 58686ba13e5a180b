"""From raw logs to tables to a report: the stages, one module each (see `trainqc.pipeline.ingest` for their order)."""
