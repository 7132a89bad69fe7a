"""The manifests for Kubernetes, against the schemas of Kubernetes and of Flink's operator, and against what they start."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from apache_beam.options.pipeline_options import JobServerOptions
from sources import REPOSITORY

from longtake.jobs import cli  # noqa: F401  (commands are known once it is imported)
from longtake.pipeline.run.runner import pipeline_options

sys.path.append(str(REPOSITORY / "tests" / "cluster"))
import artifacts

Document = dict[str, Any]
MANIFESTS: dict[str, list[Document]] = {
    path.name: list(yaml.safe_load_all(path.read_text()))
    for path in sorted((REPOSITORY / "docker" / "kubernetes").glob("*.yaml"))
}
OPERATED = "flink.apache.org/v1beta1"


def pods(manifest: str) -> Iterator[tuple[Document, Document]]:
    """The labels and the specification of each pod of a manifest. Flink's operator names its pods itself."""
    for one in MANIFESTS[manifest]:
        if one["apiVersion"] == OPERATED:
            labels = {"app": one["metadata"]["name"], "component": "taskmanager"}
            yield labels, one["spec"]["taskManager"]["podTemplate"]["spec"]
            yield labels | {"component": "jobmanager"}, {"containers": []}
        elif "template" in one["spec"]:
            yield one["spec"]["template"]["metadata"]["labels"], one["spec"]["template"]["spec"]


def container(manifest: str, name: str) -> Document:
    (found,) = [one for _, pod in pods(manifest) for one in pod["containers"] if one["name"] == name]
    return found


@pytest.mark.parametrize("release", ["1.30", "1.35"])
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_kubernetes_takes_the_manifests(manifest: str, release: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    own = [one for one in MANIFESTS[manifest] if one["apiVersion"] != OPERATED]
    for document in own:
        kubernetes.validate(document, release, strict=True)
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(own[-1] | {"replicas": 1}, release, strict=True)


def test_flinks_operator_takes_its_manifest() -> None:
    """By the definition that the operator's release brings, strictly: Kubernetes would drop a name that it does not know."""
    jsonschema = pytest.importorskip("jsonschema")
    with artifacts.or_skip(), ZipFile(artifacts.flink_operator()) as jar:
        definition = yaml.safe_load(jar.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml"))
    (served,) = definition["spec"]["versions"]
    schema = strict(served["schema"]["openAPIV3Schema"])
    (document,) = [one for one in MANIFESTS["flink.yaml"] if one["apiVersion"] == OPERATED]
    assert document["apiVersion"] == f"{definition['spec']['group']}/{served['name']}"
    for wrong in ({"flinkVersion": "v9_9"}, {"taskmanager": {}}, None):
        spec = {"spec": document["spec"] | (wrong or {})}
        with pytest.raises(jsonschema.ValidationError) if wrong else nullcontext():
            jsonschema.validate(spec, schema)


def strict(schema: Any) -> Any:
    """A schema of Kubernetes' kind that takes no names but its own. What is a number or a string there has no type of its own."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(value) for name, value in schema.items()}
    if made.get("x-kubernetes-int-or-string") is True:
        made.pop("type", None)
    return made | ({"additionalProperties": False} if isinstance(made.get("properties"), dict) else {})


@pytest.mark.parametrize(
    ("manifest", "pools"),
    [("build.yaml", "longtake-workers"), ("flink.yaml", "localhost"), ("spark.yaml", "localhost")],
)
def test_what_they_start_is_taken_by_longtake(manifest: str, pools: str) -> None:
    launcher, pool = container(manifest, "launcher"), container(manifest, "pool")
    beam = launcher["args"]
    assert launcher["command"][:2] == ["longtake", "build"] and beam[0] == "--"
    options = pipeline_options(beam[1:], 4).get_all_options()
    assert options["environment_config"] == f"{pools}:50000"
    assert pool["image"] == launcher["image"]
    assert pool["args"] == ["--worker_pool"]  # Beam's pools listen on 50000


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_selector_finds_the_pods_that_it_is_for(manifest: str) -> None:
    labels = [own for own, _ in pods(manifest)]
    services = {one["metadata"]["name"] for one in MANIFESTS[manifest] if one["kind"] == "Service"}
    for one in MANIFESTS[manifest]:
        spec = one["spec"]
        if one["kind"] == "Service":
            assert any(spec["selector"].items() <= own.items() for own in labels), one["metadata"]["name"]
        elif one["kind"] == "NetworkPolicy":
            sources = [
                source for rule in spec["ingress"] for source in rule["from"] if "namespaceSelector" not in source
            ]
            wanted = [spec["podSelector"], *(source["podSelector"] for source in sources)]
            assert all(any(one["matchLabels"].items() <= own.items() for own in labels) for one in wanted)
        elif one["kind"] == "Deployment":
            assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    for _, pod in pods(manifest):
        assert pod.get("subdomain") in {None, *services}


def test_the_address_of_the_pools_is_theirs() -> None:
    (service,) = [
        one
        for one in MANIFESTS["build.yaml"]
        if one["metadata"]["name"] == "longtake-workers" and one["kind"] == "Service"
    ]
    (port,) = service["spec"]["ports"]
    assert port["port"] == container("build.yaml", "pool")["ports"][0]["containerPort"] == 50000


@pytest.mark.parametrize("manifest", ["flink.yaml", "spark.yaml"])
def test_the_job_server_finds_its_cluster(manifest: str) -> None:
    """It is Beam's of our release, for the version of the engine, and tells Spark what Longtake would tell it."""
    ((_, pod),) = [(own, pod) for own, pod in pods(manifest) if "initContainers" in pod]
    (server,) = pod["initContainers"]
    names = {one["kind"]: one["metadata"]["name"] for one in MANIFESTS[manifest]}
    beam = version("apache-beam")
    if manifest == "flink.yaml":
        (flink,) = [one["spec"] for one in MANIFESTS[manifest] if one["kind"] == "FlinkDeployment"]
        number = flink["flinkVersion"].removeprefix("v").replace("_", ".")
        assert flink["image"].startswith(f"flink:{number}-")
        assert server["image"] == f"apache/beam_flink{number}_job_server:{beam}"
        assert server["args"] == [f"--flink-master={names['FlinkDeployment']}-rest:8081"]
        assert any(one.startswith("--parallelism=") for one in container(manifest, "launcher")["args"])
        return
    master = f"spark://{names['Service']}:7077"
    assert container(manifest, "spark")["command"][2] == master
    assert server["image"] == f"apache/beam_spark3_job_server:{beam}"
    assert server["args"] == [f"--spark-master-url={master}"]
    *_, properties = server["env"]
    options = ["--runner=SparkRunner", f"--spark_master_url={master}", "--environment_type=EXTERNAL"]
    ours = pipeline_options([*options, "--environment_config=localhost:50000", "--parallelism=48"], 4)
    assert set(ours.view_as(JobServerOptions).job_server_jvm_properties) <= set(properties["value"].split())
