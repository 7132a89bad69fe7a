"""Compares two plans in this fresh process and reports the result and its CPU time. Started by diff.py."""

import json
import sys
import time
from pathlib import Path


def main(job_file: str, report_file: str) -> None:
    """Compare and write the report."""
    job = json.loads(Path(job_file).read_text())
    from longtake.pipeline.plan.diff import diff_plans

    startup = time.process_time()
    found = diff_plans(job["a"], job["b"]).to_json()
    cpu = time.process_time() - startup
    Path(report_file).write_text(json.dumps({"startup": startup, "cpu": cpu, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
