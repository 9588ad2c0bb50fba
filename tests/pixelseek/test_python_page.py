"""The public package: what it names, what it costs to import, and the examples of docs/python.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pixelseek
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
FROM_ROOT = {**os.environ, "PYTHONPATH": str(ROOT)}
EXAMPLES = re.findall(r"(?ms)^```python\n(.+?)^```", PAGE)


def test_every_public_name_can_be_imported() -> None:
    assert [getattr(pixelseek, name) for name in pixelseek.__all__]
    assert set(pixelseek.__all__) <= set(dir(pixelseek))
    assert re.match(r"\d+\.\d+", pixelseek.__version__)
    with pytest.raises(AttributeError, match="no attribute 'Searcher'"):
        pixelseek.Searcher  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    script = "import sys, pixelseek; print(*{'engine', 'indexer', 'model', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("guard", ["", 'if __name__ == "__main__":'])
def test_a_program_without_the_guard_for_processes_is_told_to_have_it(
    library: Path, photos: Path, tmp_path: Path, guard: str
) -> None:
    program, photo = tmp_path / "program.py", photos / "scene 05.jpg"
    program.write_text(
        f"from pixelseek import SearchEngine, PixelseekError\n{guard or 'if True:'}\n"
        f"    try:\n        print(len(SearchEngine.open({str(library)!r}).similar({str(photo)!r}, limit=3)))\n"
        "    except PixelseekError as error:\n        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, program], cwd=ROOT, env=FROM_ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].startswith("3" if guard else "the processes that read photos do not start.")


def test_the_page_has_examples_and_names_every_public_name() -> None:
    assert len(EXAMPLES) > 5
    assert [name for name in pixelseek.__all__ if name not in PAGE and name != "__version__"] == []


def test_the_examples_run_in_their_order(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIXELSEEK_LIBRARY", str(library))
    names: dict[str, object] = {}
    for number, example in enumerate(EXAMPLES):
        exec(compile(example, f"docs/python.md, example {number + 1}", "exec"), names)
    printed = capsys.readouterr().out
    assert "%" in printed
    assert "the sign at the corner" in printed
    assert "there is no library in /nowhere" in printed
