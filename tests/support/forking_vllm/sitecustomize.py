"""On PYTHONPATH vLLM's engine is a fork of its server, and need not import all of that anew.

On a processor vLLM itself has it spawned, whatever VLLM_WORKER_MULTIPROC_METHOD says, for the sake
of a variable that spreads it over many cores. Python imports this module when it begins, that
which `prepared` forks for servers too, whose words tell what it imports.
"""

import multiprocessing
import sys

if "vllm.entrypoints.openai.api_server" in sys.orig_argv:
    _get_context = multiprocessing.get_context

    def _forking(method=None):
        return _get_context("fork" if method == "spawn" else method)

    multiprocessing.get_context = _forking
