"""The cores are free for the joint pass while NumPy has nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.indexer.crashes import ROOT

_WHEN_NUMPY_COMES = """
import os, sys

class Watch:
    def find_spec(self, name, *_):
        if name == "numpy":
            print("numpy", os.environ.get("OPENBLAS_THREAD_TIMEOUT"))

sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize(
    "start",
    ["from pixelseek import SearchEngine", "import cli.main, cli.search, cli.serve", "from web import create_app"],
)
@pytest.mark.parametrize(("own", "expected"), [(None, "4"), ("20", "20")])
def test_openblas_is_told_before_numpy_comes_unless_the_user_has_told_it(
    start: str, own: str | None, expected: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    environment |= {} if own is None else {"OPENBLAS_THREAD_TIMEOUT": own}
    run = subprocess.run(
        [sys.executable, "-c", _WHEN_NUMPY_COMES + start],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["numpy", expected]
