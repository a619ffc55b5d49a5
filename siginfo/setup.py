"""The extension: one wheel for every CPython from 3.10 on (abi3)."""

from __future__ import annotations

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "bootcheck_siginfo._siginfo",
            ["src/bootcheck_siginfo/_siginfo.c"],
            define_macros=[("Py_LIMITED_API", "0x030A0000")],
            extra_compile_args=["-std=c11", "-D_GNU_SOURCE"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
