"""The manifests for Kubernetes, against Kubernetes' own schemas, and against what they start."""

from typing import Any

import pytest
import yaml
from sources import REPOSITORY

from longtake.jobs import cli  # noqa: F401  (commands are known once it is imported)
from longtake.pipeline.run.runner import pipeline_options

DOCUMENTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((REPOSITORY / "docker" / "kubernetes" / "build.yaml").read_text())
)


def containers(kind: str) -> list[dict[str, Any]]:
    (found,) = [one for one in DOCUMENTS if one["kind"] == kind]
    made: list[dict[str, Any]] = found["spec"]["template"]["spec"]["containers"]
    return made


@pytest.mark.parametrize("version", ["1.30", "1.35"])
def test_kubernetes_takes_the_manifests(version: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    for document in DOCUMENTS:
        kubernetes.validate(document, version, strict=True)
    with pytest.raises(kubernetes.ValidationError):
        kubernetes.validate(DOCUMENTS[-1] | {"replicas": 1}, version, strict=True)


def test_what_they_start_is_taken_by_longtake() -> None:
    (launcher,), (pool,) = containers("Job"), containers("Deployment")
    beam = launcher["args"]
    assert launcher["command"][:2] == ["longtake", "build"] and beam[0] == "--"
    options = pipeline_options(beam[1:], 4).get_all_options()
    assert options["environment_config"] == "longtake-workers:50000"
    assert pool["image"] == launcher["image"]
    services = {one["metadata"]["name"]: one["spec"] for one in DOCUMENTS if one["kind"] == "Service"}
    (port,) = services["longtake-workers"]["ports"]
    assert port["port"] == pool["ports"][0]["containerPort"] == 50000


def test_a_selector_finds_the_pods_that_it_is_for() -> None:
    labels = {
        one["kind"]: one["spec"]["template"]["metadata"]["labels"]
        for one in DOCUMENTS
        if "template" in one.get("spec", {})
    }
    for one in DOCUMENTS:
        if one["kind"] == "Service":
            wanted = one["spec"]["selector"]
            assert [kind for kind, own in labels.items() if wanted.items() <= own.items()], one["metadata"]["name"]
    (deployment,) = [one for one in DOCUMENTS if one["kind"] == "Deployment"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels["Deployment"]
    (job,) = [one for one in DOCUMENTS if one["kind"] == "Job"]
    assert job["spec"]["template"]["spec"]["subdomain"] in {s["metadata"]["name"] for s in DOCUMENTS}
