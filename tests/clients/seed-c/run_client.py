"""python run_client.py BASE_URL TOKEN: the seed's Python client, unchanged.

Its example address is replaced, and the token given to it, which its example call leaves out. What it prints comes out
as one JSON value per line.
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1]))

import snippets

if __name__ == "__main__":
    base_url, token = sys.argv[1:]
    snippets.run(
        pathlib.Path(__file__).with_name("client.py"),
        {"http://localhost:8000": base_url, '("What is 2+2?")': f'("What is 2+2?", "{token}")'},
    )
