"""New versions of finished corpora, made from their shards: retry, takedown, merge and reshard.

A revision is a plan and a ledger that follow from those of finished corpora (`tables_graph`), and shards whose samples are read
back from theirs (`shards_graph`) and packed and sealed as a build does it. `install` puts it in the place of the old version.
"""
