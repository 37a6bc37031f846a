"""What the seeds' command-line test clients share: whom they ask, and how they say what went well."""

import dataclasses
import json
import pathlib
import sys
import typing

INFO = pathlib.Path(__file__).parents[2] / ".local" / "info.json"


@dataclasses.dataclass
class Target:
    """Where to ask, and as whom."""

    base_url: str
    websocket_url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def target(usage: str) -> Target:
    """Reads [TOKEN [BASE_URL [WEBSOCKET_URL]]]; what is left out is that of the local cloud in the project's folder."""
    given = sys.argv[1:]
    if len(given) > 3 or any(argument.startswith("-") for argument in given):
        sys.exit(usage)
    if len(given) > 1:
        token, base_url, *rest = given
        return Target(base_url, rest[0] if rest else f"ws{base_url.removeprefix('http')}/chat/ws", token)
    try:
        info = json.loads(INFO.read_text(encoding="utf-8"))
    except OSError:
        sys.exit(f"No local cloud has run in the project's folder; start one with `cargo run`.\n\n{usage}")
    token = given[0] if given else info["users"][0]["token"]
    return Target(info["base_url"], info["websocket_url"], token)


class Checks:
    """Says what went well, and ends the program with 1 if anything did not."""

    def __init__(self) -> None:
        self.failed = 0

    def expect(self, what: str, is_so: bool, seen: object = "") -> None:
        """Notes one thing; `seen` is said if it is not so."""
        self.failed += not is_so
        print(f"ok    {what}" if is_so else f"FAIL  {what}: {seen}", flush=True)

    def end(self) -> typing.NoReturn:
        print("all is well" if self.failed == 0 else f"{self.failed} failed", flush=True)
        sys.exit(self.failed > 0)
