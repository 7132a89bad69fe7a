"""Looking through a finished corpus in a web browser: search, play, mark. `server.Server` serves `app.create_app`.

The index is copied into a cache once (cache, cache_tables): scalar columns and paragraphs in DuckDB, words in SQLite FTS5.
Everything that a page shows is asked of that cache (store), or read by range from index and shards (entries).
"""
