"""The Triton kernels give what PyTorch's own steps do, under Triton's interpreter, and compile for a GPU that is not here."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from longtake.model.network import window_passes

pytest.importorskip("triton", reason="comes with PyTorch's CUDA builds for Linux")


def interpreted(cases: str) -> str:
    """Run these cases in a process whose Triton interprets."""
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        cases,
        str(here / "interpreted_windows.py"),
    ]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(command, capture_output=True, text=True, cwd=here.parents[2], env=environment)
    return ended.stdout + ended.stderr


def test_the_interpreted_kernels_are_the_plain_steps() -> None:
    assert "7 passed" in interpreted("not losses")


@pytest.mark.exhaustive
def test_a_whole_model_with_interpreted_kernels_is_the_model() -> None:
    """Ten seconds of CPU for what its blocks show."""
    assert "1 passed" in interpreted("losses")


def test_without_the_interpreter_a_cpu_takes_the_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not window_passes.usable(torch.zeros(1))


def test_the_kernels_compile_for_hopper() -> None:
    """Triton needs no GPU for that. What its interpreter accepts is more than what its compiler does."""
    kernels = importlib.import_module("longtake.model.network.window_triton")
    compiler = importlib.import_module("triton.compiler")
    target = importlib.import_module("triton.backends.compiler").GPUTarget("cuda", 90, 32)
    sizes = ((5, 7, 9), (6, 9, 10), (2, 3, 5), (1, 1, 2))
    pointers = {
        "norm_forward": ("fp32 fp32 fp32 bf16 fp32 fp32", "i32 fp32", (sizes, 24, 32, 4)),
        "norm_backward": ("fp32 fp32 bf16 fp32 fp32 fp32 fp32 fp32", "i32", (sizes, 24, 32, 4, 2)),
        "add_forward": ("fp32 bf16 fp32 fp32", "i32", (sizes, 24, 32, 4)),
        "add_backward": ("fp32 fp32 bf16", "i32", (sizes, 24, 32, 4)),
    }
    for name, (tensors, numbers, constants) in pointers.items():
        kernel = getattr(kernels, name)
        types = [*(f"*{one}" for one in tensors.split()), *numbers.split()]
        known = {(len(types) + place,): value for place, value in enumerate(constants)}
        signature = dict(zip(kernel.arg_names, [*types, *["constexpr"] * len(constants)], strict=True))
        made = compiler.compile(compiler.ASTSource(kernel, signature, known), target=target)
        assert len(made.asm["cubin"]) > 1000, name
