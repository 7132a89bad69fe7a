"""The audit: what a finished corpus holds, what was dropped and why, and whether it can be signed off.

`counts`, `distributions` and `checks` are queries in DuckDB's SQL, printed beside their numbers. `frames_graph` is the Beam job
that reads frames. `sheets` and `drops` choose examples. `report` makes the page.
"""
