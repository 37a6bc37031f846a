"""The project as the gate sees it: the template, the folders beside it, and the environment file.

Everything is plain data that a self-test may copy and damage. Nothing here judges.
"""

import contextlib
import copy
import io
import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

# The translator asks for a region, not for an account.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.public.translator import ManagedPolicyLoader  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

FUNCTION = "AWS::Serverless::Function"


class OfflinePolicies(ManagedPolicyLoader):
    """Names of managed policies without a call to AWS. The template uses none by name, so there are none."""

    def __init__(self):
        self._policy_map = {}
        self.max_items = 1000

    def load(self):
        return self._policy_map


@dataclass
class Variable:
    """One variable of `.env.example`."""

    name: str
    group: str
    readers: list[str]


@dataclass
class Project:
    """The template in long form (`{"Ref": ..}`), relative paths of files, package names, and two texts."""

    template: dict
    files: set[str]
    packages: dict[str, str]
    env_example: str
    rust: str

    @classmethod
    def load(cls, root: Path) -> "Project":
        """Reads the project that lies in `root`."""
        folders = ("functions", "events", "tests/it")
        files = {
            path.relative_to(root).as_posix()
            for folder in folders
            for path in (root / folder).rglob("*")
            if path.is_file()
        }
        packages = {
            path.parent.name: tomllib.loads(path.read_text())["package"]["name"]
            for path in (root / "functions").glob("*/Cargo.toml")
        }
        sources = [
            path for folder in ("shared", "functions", "local") for path in sorted((root / folder).rglob("*.rs"))
        ]
        return cls(
            template=yaml_parse((root / "template.yaml").read_text()),
            files=files,
            packages=packages,
            env_example=(root / ".env.example").read_text(),
            rust="\n".join(path.read_text() for path in sources),
        )

    def copy(self) -> "Project":
        """A copy that can be damaged."""
        return copy.deepcopy(self)

    def resources(self, kind: str) -> dict[str, dict]:
        """Resources of the template of one type, by logical id."""
        return {name: it for name, it in self.template["Resources"].items() if it["Type"] == kind}

    def functions(self) -> dict[str, str]:
        """Logical id to binary name."""
        return {name: it["Metadata"]["BuildProperties"]["Binary"] for name, it in self.resources(FUNCTION).items()}

    def cloudformation(self) -> dict:
        """What CloudFormation would receive: the template after the SAM transform."""
        source = copy.deepcopy(self.template)
        # `sam deploy` puts the address of the uploaded package here.
        source["Globals"]["Function"]["CodeUri"] = "s3://example-bucket/package.zip"
        with contextlib.redirect_stderr(io.StringIO()):
            return transform(source, {}, OfflinePolicies())

    def translated(self, kind: str) -> dict[str, dict]:
        """Resources of one type after the transform, by logical id."""
        return {name: it for name, it in self.cloudformation()["Resources"].items() if it["Type"] == kind}

    def variables(self) -> list[Variable]:
        """The variables of `.env.example`. A group starts at `# === name ===`; readers stand in `# Read by: a, b`."""
        found, group, readers = [], "", []
        for line in self.env_example.splitlines():
            if heading := re.fullmatch(r"# === (.+) ===", line):
                group, readers = heading[1], []
            elif told := re.fullmatch(r"# Read by: (.+)\.", line):
                readers = [name.strip() for name in told[1].split(",")]
            elif entry := re.match(r"#? ?([A-Z][A-Z0-9_]*)=", line):
                found.append(Variable(entry[1], group, readers))
                readers = []
        return found


def pascal(binary: str) -> str:
    """`live-stream` becomes `LiveStream`."""
    return "".join(part.capitalize() for part in binary.split("-"))


def as_list(value) -> list:
    """IAM writes one thing without brackets."""
    return value if isinstance(value, list) else [value]


def text(value) -> str:
    """Any value as text, to look for names in it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
