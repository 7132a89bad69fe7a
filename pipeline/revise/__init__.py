"""New versions of finished corpora, made from their shards: retry, takedown, merge and reshard.

A revision derives a plan and a ledger from finished corpora (`tables_graph`). It reads samples back from their shards, then
packs and seals new shards as a build does (`shards_graph`). `install` replaces the old version by the new one.
"""
