"""The template gate: runs every check on the project, then every planted defect on a copy of it.

Prints one line per check and defect, and `N passed, N failed` at the end. Exits 1 when anything failed.
"""

import sys
from pathlib import Path

import checks
import defects
from project import Project


def findings(check, project: Project) -> list[str]:
    """What a check finds. A check that breaks on a damaged project has not found anything: that is a finding too."""
    try:
        return check(project)
    except Exception as error:
        return [f"the check broke: {type(error).__name__}: {error}"]


def main() -> int:
    """Runs everything."""
    project = Project.load(Path(__file__).resolve().parents[2])
    passed = failed = 0

    def report(name: str, problems: list[str]) -> None:
        nonlocal passed, failed
        print(f"{'FAILED' if problems else 'ok':<7}{name}")
        for problem in problems:
            print(f"         {problem}")
        passed, failed = passed + (not problems), failed + bool(problems)

    print("template.yaml and what belongs to it")
    sound = project.copy()
    defects.complete(sound)
    before = {}
    for check in checks.ALL:
        problems = findings(check, project)
        report(check.__name__, problems)
        before[check] = findings(check, sound) if problems else []

    print("\nplanted defects")
    for defect in defects.ALL:
        damaged = sound.copy()
        defect.plant(damaged)
        # Only what the defect adds counts, so that a real problem cannot stand in for it.
        new = [it for it in findings(defect.check, damaged) if it not in before[defect.check]]
        missed = not any(defect.says in it for it in new)
        report(
            f"{defect.check.__name__}: {defect.name}",
            [f'not found: no sentence with "{defect.says}" in {new or "nothing"}'] if missed else [],
        )
    untested = [check.__name__ for check in checks.ALL if not any(defect.check is check for defect in defects.ALL)]
    report("every check has a defect", [f"{name} has none" for name in untested])

    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
