"""The seed's test client: python test_streaming_client.py [TOKEN [BASE_URL]]

Tries health, simple streaming, a full conversation and the errors. Without arguments it asks the local cloud that
`cargo run` started in the project's folder, as its first demo user.
"""

import collections.abc
import json
import pathlib
import sys
import uuid

import requests

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from checks import Checks, Target, target

Event = dict[str, object]


def events(response: requests.Response) -> collections.abc.Iterator[Event]:
    """The events of a stream, as they come."""
    for line in response.iter_lines():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def check_stream(checks: Checks, what: str, response: requests.Response) -> Event:
    """Reads an answer to its end and returns its metadata and its end, joined."""
    status, kind = response.status_code, response.headers["content-type"]
    checks.expect(f"{what}: a stream", (status, kind) == (200, "text/event-stream"), (status, kind))
    seen = list(events(response))
    kinds = [event["type"] for event in seen]
    texts = [event["content"] for event in seen if event["type"] == "token"]
    expected = ["metadata", *["token"] * len(texts), "complete"]
    checks.expect(f"{what}: metadata, {len(texts)} tokens, complete", bool(texts) and kinds == expected, kinds)
    whole = seen[0] | seen[-1] if seen else {}
    checks.expect(f"{what}: the tokens make up the content", "".join(texts) == whole.get("content"), whole)
    return whole


def check_health(checks: Checks, to: Target) -> None:
    response = requests.get(f"{to.base_url}/api/stream/health", timeout=10)
    health = response.json()
    expected = {"status": "healthy", "service": "interaction-streaming", "timestamp": health.get("timestamp")}
    checks.expect("health", response.status_code == 200 and health == expected, health)


def check_simple(checks: Checks, to: Target) -> None:
    query = {"message": "What is 2+2?", "key": str(uuid.uuid4())}
    url = f"{to.base_url}/api/stream/stream-simple"
    with requests.get(url, params=query, headers=to.headers, stream=True, timeout=60) as response:
        check_stream(checks, "simple", response)


def check_conversation(checks: Checks, to: Target) -> None:
    interaction_id = None
    for what, message in [("full", "What is 20+22?"), ("full, again", "And what did I ask before?")]:
        body = {"message": message, "interaction_id": interaction_id, "max_tokens": 5000}
        url = f"{to.base_url}/api/stream/stream-conversation"
        with requests.post(url, json=body, headers=to.headers, stream=True, timeout=60) as response:
            whole = check_stream(checks, what, response)
        is_new = interaction_id is None
        checks.expect(f"{what}: is_new_interaction is {is_new}", whole.get("is_new_interaction") is is_new, whole)
        checks.expect(f"{what}: the same interaction", is_new or whole["interaction_id"] == interaction_id, whole)
        interaction_id = whole.get("interaction_id")


def check_errors(checks: Checks, to: Target) -> None:
    nobody, unknown = "a-token-of-nobody", str(uuid.uuid4())
    cases = [
        ("no token", 401, {}, {"message": "Hi"}),
        ("a wrong token", 401, {"Authorization": f"Bearer {nobody}"}, {"message": "Hi"}),
        ("an empty message", 400, to.headers, {"message": " "}),
        ("no message", 400, to.headers, {}),
        ("an unknown interaction", 404, to.headers, {"message": "Hi", "interaction_id": unknown}),
    ]
    for what, status, headers, body in cases:
        url = f"{to.base_url}/api/stream/stream-conversation"
        response = requests.post(url, json=body, headers=headers, timeout=10)
        detail = response.json().get("detail") if response.status_code == status else None
        checks.expect(f"{what}: {status} {detail}", bool(detail), (response.status_code, response.text))


def main() -> None:
    to, checks = target(__doc__), Checks()
    for check in (check_health, check_simple, check_conversation, check_errors):
        check(checks, to)
    checks.end()


if __name__ == "__main__":
    main()
