"""trainqc: raw training logs in, typed Parquet tables and an honest report out."""
