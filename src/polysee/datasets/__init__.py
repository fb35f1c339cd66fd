"""Training data: parquet files, made texts, and features computed once."""
