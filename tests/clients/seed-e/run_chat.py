"""python run_chat.py WEBSOCKET_URL TOKEN: the seed's WebSocket client, unchanged, with its example address and token
replaced. What it prints comes out as one JSON value per line.
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[1]))

import snippets

if __name__ == "__main__":
    websocket_url, token = sys.argv[1:]
    snippets.run(
        pathlib.Path(__file__).with_name("chat.py"),
        {"ws://localhost:8004/chat/ws": websocket_url, "eyJhbGciOiJIUzI1NiIs...": token},
    )
