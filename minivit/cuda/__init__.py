"""CUDA, with and without a GPU: launching kernels, and an emulator that runs `.cu` files on NumPy arrays."""
from minivit.cuda.emulator.build import CompileError, why_no_checks, why_no_emulator
from minivit.cuda.emulator.module import emulate
from minivit.cuda.emulator.report import Finding, KernelError, LineCount, Report, checking

__all__ = ["CompileError", "Finding", "KernelError", "LineCount", "Report", "checking", "emulate", "why_no_checks",
           "why_no_emulator"]
