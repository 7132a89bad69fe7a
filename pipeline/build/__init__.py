"""Building: planned videos decoded, their samples packed into shards, the corpus sealed."""
