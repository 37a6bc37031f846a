"""The seed's WebSocket test client: python test_chat_websocket.py [TOKEN [BASE_URL [WEBSOCKET_URL]]]

Talks in one session, finds it in the list and deletes it. Without arguments it asks the local cloud that `cargo run`
started in the project's folder, as its first demo user.
"""

import asyncio
import json
import pathlib
import sys

import requests
import websockets

sys.path.append(str(pathlib.Path(__file__).parents[1]))

from checks import Checks, Target, target

Frame = dict[str, object]
QUESTION = "What's the best workout for beginners?"


async def frame(ws: websockets.ClientConnection) -> Frame:
    return json.loads(await asyncio.wait_for(ws.recv(), 60))


async def ask(checks: Checks, ws: websockets.ClientConnection, request: Frame) -> Frame:
    """Sends a message and returns the answer; `typing` may be said more than once."""
    await ws.send(json.dumps(request))
    typing = answer = await frame(ws)
    while answer["type"] == "typing":
        answer = await frame(ws)
    checks.expect("typing, then a response", (typing["type"], answer["type"]) == ("typing", "response"), answer)
    return answer


async def check_talk(checks: Checks, to: Target) -> str:
    async with websockets.connect(f"{to.websocket_url}?token={to.token}") as ws:
        first = await frame(ws)
        checks.expect("connected", first == {"type": "connected"}, first)
        question = {"message": QUESTION, "message_type": "fitness_plan"}
        answer = await ask(checks, ws, question)
        names = ["message", "session_id", "user_id", "timestamp", "raw_events", "response_time_ms"]
        checks.expect("the response has all members", all(name in answer for name in names), answer)
        nested = answer.get("data", {}).get("response_time_ms")
        checks.expect("data repeats response_time_ms", nested == answer.get("response_time_ms"), answer)
        again = await ask(checks, ws, {"message": "And how often?", "session_id": answer["session_id"]})
        checks.expect("the session goes on", again.get("session_id") == answer["session_id"], again)
        await check_refused(checks, ws, {"message": " "}, "Empty message")
        return answer["session_id"]


async def check_refused(checks: Checks, ws: websockets.ClientConnection, request: Frame, sentence: str) -> None:
    await ws.send(json.dumps(request))
    answer = await frame(ws)
    checks.expect(f"error: {sentence}", (answer["type"], answer.get("message")) == ("error", sentence), answer)


def check_sessions(checks: Checks, to: Target, session_id: str) -> None:
    def call(method: str, path: str = "") -> tuple[int, dict]:
        response = requests.request(method, f"{to.base_url}/chat/sessions{path}", headers=to.headers, timeout=10)
        return response.status_code, response.json()

    status, listing = call("GET")
    session = next((one for one in listing.get("sessions", []) if one["session_id"] == session_id), {})
    checks.expect("the session is listed", session.get("messages") == 2, listing)
    checks.expect("its title is the first message", session.get("title") == QUESTION, session)
    status, whole = call("GET", f"/{session_id}")
    messages = [message["message"] for message in whole.get("messages", [])]
    checks.expect("it has both messages, oldest first", messages[1:] == ["And how often?"], (status, messages))
    status, deleted = call("DELETE", f"/{session_id}")
    checks.expect("it can be deleted", deleted == {"message": "Session deleted successfully"}, (status, deleted))
    status, gone = call("GET", f"/{session_id}")
    checks.expect("it is gone", (status, gone.get("detail")) == (404, "Session not found"), (status, gone))


async def check_deleted(checks: Checks, to: Target, session_id: str) -> None:
    async with websockets.connect(f"{to.websocket_url}?token={to.token}") as ws:
        await frame(ws)
        await check_refused(checks, ws, {"message": "Hi", "session_id": session_id}, "Session not found")


async def check_token(checks: Checks, to: Target) -> None:
    try:
        async with websockets.connect(f"{to.websocket_url}?token=a-token-of-nobody") as ws:
            checks.expect("a wrong token is refused", False, await frame(ws))
    except (websockets.InvalidStatus, websockets.ConnectionClosed) as refusal:
        checks.expect("a wrong token is refused", True, refusal)


async def main() -> None:
    to, checks = target(__doc__), Checks()
    session_id = await check_talk(checks, to)
    check_sessions(checks, to, session_id)
    await check_deleted(checks, to, session_id)
    await check_token(checks, to)
    checks.end()


if __name__ == "__main__":
    asyncio.run(main())
