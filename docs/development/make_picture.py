"""Draw `docs/search.svg`: what `pixelseek search` really prints, for the README.

    make demo
    .venv/bin/python docs/development/make_picture.py .demo/pixelseek-demo/samples "a cat looking at the camera" \\
        "a motorcycle" "a cup of coffee on a table"

Only the folders of the photos are shortened to their names.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

PICTURE = Path(__file__).parents[1] / "search.svg"
WIDTH = 72  # characters


def search(library: Path, sentence: str, *options: str) -> str:
    """What the command prints."""
    program = str(Path(sys.executable).with_name("pixelseek"))
    command = [program, "search", sentence, "--library", str(library), *options]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def main() -> None:
    """Search for each sentence and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("sentences", nargs="+")
    parser.add_argument("--limit", default="4", help="photos a sentence")
    arguments = parser.parse_args()

    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for sentence in arguments.sentences:
        console.print(f'[bold]$ pixelseek search "{sentence}" --limit {arguments.limit}[/]', highlight=False)
        printed = search(arguments.library, sentence, "--limit", arguments.limit)
        for hit in json.loads(search(arguments.library, sentence, "--limit", arguments.limit, "--json"))["hits"]:
            printed = printed.replace(hit["path"], f"{Path(hit['path']).parent.name}/{Path(hit['path']).name}")
        console.print(printed, markup=False, highlight=False)
    drawn = console.export_svg(title="pixelseek", unique_id="pixelseek")
    # rich would have the reader fetch a font from the network; their own will do.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL).replace("Fira Code", "DejaVu Sans Mono")
    PICTURE.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
