"""The seed's command-line client: python test_conversation_stream.py <JWT_TOKEN> <CONVERSATION_ID> [BASE_URL]

Runs the seed's snippet stream.py as it is printed, with the token, and its example address replaced by the real one.
What it prints comes out as one JSON value per line.
"""

import json
import pathlib
import sys

PRINTED = "http://localhost:5000/api/conversation/conv_123/stream"


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    token, conversation = sys.argv[1:3]
    base_url = sys.argv[3] if len(sys.argv) == 4 else "http://localhost:8000"
    snippet = pathlib.Path(__file__).with_name("stream.py")
    source = snippet.read_text(encoding="utf-8")
    if source.count(PRINTED) != 1:
        sys.exit("stream.py is not as the seed prints it")
    source = source.replace(PRINTED, f"{base_url}/api/conversation/{conversation}/stream")
    page = {"token": token, "print": lambda value: print(json.dumps(value), flush=True)}
    exec(compile(source, snippet, "exec"), page)


if __name__ == "__main__":
    main()
