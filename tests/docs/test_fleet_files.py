"""The files that the pages on fleets show are those that can be taken from the repository."""

from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs"
FILES = {
    "fleet-slurm.md": "replicas.sbatch",
    "fleet-kubernetes.md": "kubernetes.yaml",
    "fleet-skypilot.md": "skypilot.yaml",
}


@pytest.mark.parametrize(("page", "file"), FILES.items())
def test_the_page_shows_the_file(page, file):
    content = (DOCS / "examples" / "fleet" / file).read_text()
    blocks = (DOCS / page).read_text().split("```")[1::2]
    assert [block.partition("\n")[2] for block in blocks].count(content) == 1


def test_the_run_waits_for_the_service_of_the_pods():
    service, pods, run, _ = yaml.safe_load_all(
        (DOCS / "examples" / "fleet" / "kubernetes.yaml").read_text()
    )
    assert service["spec"]["selector"] == pods["spec"]["template"]["metadata"]["labels"]
    (beside,) = run["spec"]["template"]["spec"]["initContainers"]
    assert f"ahostsv4 {service['metadata']['name']} " in beside["args"][0]
    (asking,) = run["spec"]["template"]["spec"]["containers"]
    assert asking["volumeMounts"][0] in beside["volumeMounts"]
