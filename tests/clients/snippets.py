"""Runs the Python programs that the seeds print, as they are printed."""

import json
import pathlib


def run(snippet: pathlib.Path, real: dict[str, str]) -> None:
    """Runs a snippet, with what it prints in place of an address or a token replaced by the real one.

    What it prints comes out as one JSON value per line.
    """
    source = snippet.read_text(encoding="utf-8")
    for example, value in real.items():
        if source.count(example) != 1:
            raise SystemExit(f"{snippet.name} is not as the seed prints it: {example}")
        source = source.replace(example, value)
    exec(compile(source, snippet, "exec"), {"print": show})


def show(value: object, **_: object) -> None:
    """Stands for `print`."""
    print(json.dumps(value), flush=True)
