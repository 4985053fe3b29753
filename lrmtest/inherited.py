"""The environment that programs inherit: what they need, and no keys of other services.

A list of what is passed on, not of what is not: nobody can list all names of secrets. Whoever
needs another variable names it (``--engine-env NAME``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lrmtest.masking import SECRET_NAME, variables

_PASSED = re.compile(
    r"""PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TERM|COLUMNS|NO_COLOR|CI
    |TMPDIR|TEMP|TMP|XDG_.*|LD_LIBRARY_PATH|LD_PRELOAD|DYLD_.*|PYTHON.*|VIRTUAL_ENV|CONDA_PREFIX
    |CC|CXX|CPATH|C_INCLUDE_PATH|LIBRARY_PATH  # kernels are compiled at run time
    |LRMTEST_.*|HF_HOME|HF_ENDPOINT|HF_HUB_.*|HF_XET_.*|TRANSFORMERS_.*|TOKENIZERS_.*|SAFETENSORS_.*
    |SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NO_PROXY|no_proxy
    |CUDA.*|NVIDIA_.*|NCCL_.*|CUBLAS.*|CUDNN.*|GPU_.*|HIP_.*|ROCR_.*|ROCM_.*|HSA_.*|AMD_.*
    |ONEAPI_.*|SYCL_.*|ZE_.*|VK_.*|UCX_.*|GLOO_.*
    |OMP_.*|KMP_.*|GOMP_.*|MKL_.*|OPENBLAS_.*|BLIS_.*|NUMEXPR_.*|NUMBA_.*|MALLOC_.*|DNNL_.*|ONEDNN_.*
    |VLLM_.*|LLAMA_.*|GGML_.*|TORCH.*|PYTORCH_.*|TRITON_.*|XFORMERS_.*|FLASHINFER_.*|RAY_.*
    # where kernels are kept that were compiled at run time, and how many are compiled at once
    |DG_.*|TILELANG_.*|TVM_.*|CUTE_DSL_.*|FLYDSL_.*|AITER_.*|OUTLINES_CACHE_DIR|MAX_JOBS""",
    re.VERBOSE,
)
_PROXY = re.compile(r"(?:https?|all|ftp)_proxy", re.IGNORECASE)


def inherited_environment(named: Iterable[str] = ()) -> dict[str, str]:
    """The variables of this process's environment for a program that it starts.

    A variable whose name is that of a secret is left out whatever it begins with, and so is a
    proxy whose URL carries a password.

    Args:
        named: further names, which the user has given; a pattern such as ``PIP_*`` at their end.
    """
    prefixes = tuple(name[:-1] for name in named if name.endswith("*"))
    names = frozenset(named)
    return {
        name: value
        for name, value in variables()
        if name in names or (prefixes and name.startswith(prefixes)) or _is_passed(name, value)
    }


def _is_passed(name: str, value: str) -> bool:
    if SECRET_NAME.search(name):
        return False
    if _PROXY.fullmatch(name):
        return "@" not in value
    return _PASSED.fullmatch(name) is not None
