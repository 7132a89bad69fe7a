"""Look through a finished corpus in a web browser: search, play, decide. `server.Server` serves `app.create_app`.

The index is copied once into a cache (cache, cache_tables): scalar columns and paragraphs in DuckDB, words in SQLite FTS5.
Pages take everything from that cache (store), or read ranges of index and shards (entries).
"""
