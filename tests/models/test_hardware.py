import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.hardware import (
    Gpu,
    Machine,
    parse_gpus,
    this_machine,
)
from lrmtest.models.listing import model_rows
from lrmtest.models.sizes import can_run, disk_gb, known_sizes, memory_needed_gb

H100 = Gpu("NVIDIA H100", 80.0, 79.0)
LAPTOP = Machine("cpu", 8, 16.0, 12.0)
SERVER = Machine("cpu", 64, 256.0, 200.0, (H100, H100))

# As nvidia-smi prints it; the third GPU shares the machine's memory and says so.
WITH_CAPABILITY = "0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 81080, 9.0\n"
LISTING = """\
0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 81080
1, GPU-bbbb, NVIDIA H100 80GB HBM3, 81559, 500
2, GPU-cccc, NVIDIA GB10, [N/A], [N/A]
"""


def test_this_machine_is_plausible():
    machine = this_machine()
    assert machine.cores >= 1
    assert 0 < machine.available_gb <= machine.ram_gb
    assert machine.cpu
    assert set(machine.to_json()) == {"cpu", "cores", "ram_gb", "gpus"}


def test_asking_the_machine_imports_nothing_heavy():
    code = "import sys; from lrmtest.models.hardware import this_machine; this_machine(); "
    code += "print({'torch', 'transformers', 'numpy', 'huggingface_hub'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_gpus_of_nvidia_smi():
    both = parse_gpus(LISTING, None)
    assert [gpu.name for gpu in both] == ["NVIDIA H100 80GB HBM3"] * 2
    assert both[0].memory_gb == pytest.approx(85.5, abs=0.1)
    assert [gpu.capability for gpu in both] == [None, None]
    assert [gpu.capability for gpu in parse_gpus(WITH_CAPABILITY, None)] == [9.0]
    assert parse_gpus(WITH_CAPABILITY.replace("9.0", "[N/A]"), None)[0].capability is None
    assert parse_gpus(LISTING, "1") == both[1:]
    assert parse_gpus(LISTING, "GPU-aaaa") == both[:1]
    assert parse_gpus(LISTING, "") == ()
    assert (
        parse_gpus("NVIDIA-SMI has failed, because it could not talk, to, the, driver", None) == ()
    )


@given(st.text(), st.none() | st.text())
def test_any_answer_of_nvidia_smi_is_survived(listing, visible):
    parse_gpus(listing, visible)


def test_memory_follows_size_and_engine():
    gguf = ModelCard(
        name="m",
        parameters=8,
        checkpoint=Checkpoint(gguf=True),
        compression=Compression(bits_per_weight=4),
    )
    assert disk_gb(gguf) == 4.0
    assert memory_needed_gb(gguf, "llamacpp") == pytest.approx(4 * 1.2 + 0.5)
    assert memory_needed_gb(gguf, "transformers") == pytest.approx(16 * 1.2 + 0.5)  # unpacked
    assert memory_needed_gb(ModelCard(name="m", parameters=1)) == pytest.approx(2.9)
    assert memory_needed_gb(ModelCard(name="m", parameters=1, memory_gb=7)) == 7
    assert memory_needed_gb(ModelCard(name="m")) is None


@pytest.mark.parametrize(
    ("gigabytes", "machine", "verdict"),
    [
        (10, LAPTOP, "yes"),
        (13, LAPTOP, "no"),
        (160, SERVER, "yes"),
        (161, SERVER, "offload"),
        (361, SERVER, "no"),
    ],
)
def test_fits(gigabytes, machine, verdict):
    fit = can_run(ModelCard(name="m", memory_gb=gigabytes), machine)
    assert fit.verdict == verdict
    assert f"needs {gigabytes} GB" in fit.why


def test_fits_without_a_size():
    unknown = ModelCard(name="m")
    assert can_run(unknown, SERVER).verdict == "no"
    assert can_run(unknown, LAPTOP, "openai").verdict == "yes"


def test_rows_of_all_cards():
    cards = load_cards()
    rows = {row.name: row for row in model_rows(cards, LAPTOP)}
    assert list(rows) == list(cards)
    small, big = rows["smollm2-135m"], rows["r1-1.58bit"]
    assert small.origin == "hub"
    assert (big.origin, big.engine, big.fit.verdict) == ("hub", "llamacpp", "no")
    assert big.disk_gb == pytest.approx(140, abs=0.5)  # what the three files on the hub take
    pruned = rows["r1-distill-llama-8b-sparsegpt-50"]
    assert (pruned.origin, pruned.sparsity, pruned.parent) == ("recipe", 0.5, "r1-distill-llama-8b")
    assert "50 %" in pruned.recipe


@pytest.mark.parametrize(
    ("checkpoint", "origin"),
    [
        (Checkpoint(path="/m"), "path"),
        (Checkpoint(wheel="a==1"), "wheel"),
        (Checkpoint(url="http://h"), "endpoint"),
        (Checkpoint(), "unknown"),
    ],
)
def test_origins(checkpoint, origin):
    (row,) = model_rows({"m": ModelCard(name="m", checkpoint=checkpoint)}, LAPTOP)
    assert row.origin == origin


def test_known_sizes_leave_out_what_is_not_known():
    assert known_sizes(ModelCard("endpoint"), "openai") == {}
    four_bits = ModelCard("m", parameters=8.0, compression=Compression("awq", 4.0))
    assert known_sizes(four_bits, "vllm") == {
        "parameters": 8.0,
        "disk_gb": 4.0,
        "memory_gb": pytest.approx(5.3),
    }
    assert known_sizes(ModelCard("m", memory_gb=12.0), "vllm") == {"memory_gb": 12.0}
