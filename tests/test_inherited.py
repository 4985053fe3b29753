"""Programs inherit what they need, and no keys."""

import pytest

from lrmtest.inherited import inherited_environment

SECRETS = (
    "OPENAI_API_KEY",
    "LRMTEST_API_KEY",
    "LRMTEST_API_KEY_R1",
    "HF_TOKEN",
    "HF_HUB_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ANTHROPIC_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "WANDB_API_KEY",
    "DATABASE_URL",
    "PGPASSWORD",
    "SSH_AUTH_SOCK",
    "VLLM_API_KEY",
    "LLAMA_API_KEY",
    "LLAMA_ARG_HF_TOKEN",
    "PYTHON_KEYRING_PASSWORD",
    "anything_else",
)
NEEDED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
    "VLLM_CPU_KVCACHE_SPACE",
    "VLLM_CACHE_ROOT",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "FLASHINFER_WORKSPACE_BASE",
    "VLLM_FLASHINFER_AUTOTUNE_CACHE_DIR",
    "VLLM_WORKER_MULTIPROC_METHOD",
    "CUDA_CACHE_PATH",
    "DG_JIT_CACHE_DIR",
    "TILELANG_CACHE_DIR",
    "MAX_JOBS",
    "PYTORCH_CUDA_ALLOC_CONF",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "XDG_CACHE_HOME",
    "no_proxy",
    "PYTHONPATH",
    "GGML_CUDA_ENABLE_UNIFIED_MEMORY",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*SECRETS, *NEEDED):
        monkeypatch.setenv(name, "value")


def test_what_is_passed_on():
    passed = inherited_environment()
    assert not set(SECRETS) & set(passed)
    assert set(NEEDED) <= set(passed)


def test_what_is_named_is_passed_on(monkeypatch):
    monkeypatch.setenv("MADE_UP_URL", "value")
    passed = inherited_environment(("HF_TOKEN", "MADE_UP_*", "NOT_SET_ANYWHERE"))
    assert set(passed) - set(inherited_environment()) == {"HF_TOKEN", "MADE_UP_URL"}


def test_a_proxy_with_a_password_is_not_passed_on(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy:8080")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:8080")
    passed = inherited_environment()
    assert "https_proxy" not in passed
    assert "HTTP_PROXY" in passed
