"""Whether what a runner needs can be reached from the launcher: Java, the jar of its job server, its cluster, its workers."""

import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from urllib.error import URLError
from zipfile import is_zipfile

from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
)
from apache_beam.utils.subprocess_server import JavaJarServer

from longtake.pipeline.run.job_servers import is_inside_job_server, runner_name
from longtake.pipeline.run.runner import is_ours

_SECONDS = 10
#: (what, whether it is well, what was found or what to do)
Finding = tuple[str, bool, str]


def check_runner(options: PipelineOptions) -> Iterator[Finding]:
    """Look at the servers that `options` name, without starting a job."""
    portable, name = options.view_as(PortableOptions), runner_name(options.view_as(StandardOptions).runner)
    if name == "FlinkRunner":
        flink = options.view_as(FlinkRunnerOptions)
        yield from _job_server(
            options, flink.flink_job_server_jar, f":runners:flink:{flink.flink_version}:job-server:shadowJar"
        )
        yield from _flink(flink.flink_master, str(flink.flink_version), options)
    elif name == "SparkRunner":
        spark = options.view_as(SparkRunnerOptions)
        yield from _job_server(options, spark.spark_job_server_jar, ":runners:spark:3:job-server:shadowJar")
        if not is_inside_job_server(spark.spark_master_url):
            yield _listens("Spark master", spark.spark_master_url.removeprefix("spark://"))
    elif name == "PortableRunner" and portable.job_endpoint not in (None, "embed"):
        yield _listens("job server", portable.job_endpoint)
    if is_ours(options) and portable.environment_type == "EXTERNAL":
        yield _listens("worker pool", portable.environment_config)


def _listens(what: str, address: str) -> Finding:
    host, _, port = str(address).rpartition(":")
    if not host or not port.isdecimal():
        return what, False, f"{address}: must be a host and a port, as in localhost:50000"
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except OSError as error:
        return what, False, f"{address}: {_said(error)}. Is it started, and may this machine reach it?"
    return what, True, f"{address} answers"


def _said(error: Exception) -> str:
    """What is wrong, without the wrappings of Python's libraries."""
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, TimeoutError):
        return f"no answer in {_SECONDS} s"
    if isinstance(cause, HTTPException | JSONDecodeError):  # the first is also how a server that hangs up is told
        return "what answers there is another kind of server"
    return getattr(cause, "strerror", None) or str(cause)


def _job_server(options: PipelineOptions, jar: str | None, target: str) -> Iterator[Finding]:
    java = options.view_as(JobServerOptions).job_server_java_launcher
    found = shutil.which(java)
    missing = f"{java}: not found; install Java 11 or 17, or name it with --job_server_java_launcher"
    yield "Java", found is not None, found or missing
    url = jar or JavaJarServer.path_to_beam_jar(target)
    kept = Path(JavaJarServer.JAR_CACHE) / os.path.basename(url)
    here = url if os.path.exists(url) else str(kept)
    if os.path.exists(here):
        whole = is_zipfile(here)
        yield "job server", whole, here if whole else f"{here}: is no Java archive. Delete it, and fetch it again"
    elif "://" not in url:
        yield "job server", False, f"{url}: no such file"
    else:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS):  # noqa: S310 - Beam's
                yield "job server", True, f"{url} can be fetched"
        except (OSError, ValueError, HTTPException) as error:
            how = "Fetch it elsewhere, or make it (docs/cloud.md), and name the file with --flink_job_server_jar or"
            yield "job server", False, f"{url}: {_said(error)}. {how} --spark_job_server_jar"


def _flink(master: str, version: str, options: PipelineOptions) -> Iterator[Finding]:
    if is_inside_job_server(master):
        return
    url = (master if "://" in master else f"http://{master}").rstrip("/") + "/overview"
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the user's cluster
            found: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError, HTTPException) as error:
        where = (
            "Is the cluster started, may this machine reach it, and is --flink_master its job manager's REST address"
        )
        yield "Flink", False, f"{url}: {_said(error)}. {where}, as in localhost:8081?"
        return
    told = str(found.get("flink-version", ""))
    if not told.startswith(f"{version}."):
        yield (
            "Flink",
            False,
            f"the cluster is Flink {told}; give --flink_version={told.rpartition('.')[0]}, not {version}",
        )
        return
    slots, wanted = int(found.get("slots-total", 0)), options.view_as(FlinkRunnerOptions).parallelism
    well = slots > 0 and slots >= (wanted or 1)
    more = "" if well else f", fewer than --parallelism={wanted}: start task managers, or ask for less"
    yield "Flink", well, f"{told} at {master}, {found.get('taskmanagers', 0)} task managers, {slots} slots{more}"
