"""Which project a batch of spans may enter.

Rule 1: the name that is judged is the name that is sent: the caller of this module stamps what
it returns. Rule 2: order decides, not validity: a header that is refused never falls back to the
resource, and a resource that is refused never falls back to the default.
"""

import base64

from roost.model import IngestGrant
from roost.policy.decision import Refuse

MAX_PROJECT_CHARS = 256


def choose_project(header: str | None, resource: str | None, grant: IngestGrant) -> str | Refuse:
    """The project of one ResourceSpans: the `x-project-name` header, else the resource attribute
    `openinference.project.name`, else the grant's default; absent is None, empty is refused.

    >>> grant = IngestGrant(project_pattern="team-*", default_project="team-a")
    >>> choose_project(None, None, grant), choose_project("team-b", "team-c", grant)
    ('team-a', 'team-b')
    >>> choose_project(None, "other", grant).pointer
    "this key may send to projects that match 'team-*', and 'other' does not"
    """
    if header is not None:
        return _permitted(header, grant)
    return _permitted(grant.default_project if resource is None else resource, grant)


def choose_path_project(project: str, grant: IngestGrant) -> str | Refuse:
    """The project of `POST /v1/projects/{project}/spans`, `project` being the decoded segment.

    Phoenix takes a project's id there as well as its name. An id hides the name, so only a grant
    for every project may use one.
    """
    if grant.project_pattern != "*" and _is_project_id(project):
        return Refuse(
            "project id under a narrow grant",
            "this key may not name a project by its id; use the project's name",
        )
    return _permitted(project, grant)


def matches(pattern: str, name: str) -> bool:
    """Whether the whole name fits; `*` is any run of characters, all else stands for itself.

    Linear in the name, whatever the pattern: no regular expression is built from it.

    >>> matches("team-*", "team-a"), matches("team-*", "my-team-a"), matches("a.c", "abc")
    (True, False, False)
    """
    head, *others = pattern.split("*")
    if not others:
        return name == pattern
    *middle, tail = others
    at, end = len(head), len(name) - len(tail)
    if at > end or not name.startswith(head) or not name.endswith(tail):
        return False
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _permitted(name: str, grant: IngestGrant) -> str | Refuse:
    if fault := _fault(name):
        return Refuse("project name is not fit", fault)
    if not matches(grant.project_pattern, name):
        return Refuse(
            "project outside the key's pattern",
            f"this key may send to projects that match {grant.project_pattern!r},"
            f" and {name!r} does not",
        )
    return name


def _fault(name: str) -> str:
    """What is wrong with a name, or "". Unprintable means control characters, line ends,
    direction overrides and other invisible ones: two names must not look alike on screen."""
    if not name.strip():
        return "the project's name is empty; leave it out to use the key's default project"
    if len(name) > MAX_PROJECT_CHARS:
        return f"the project's name is longer than {MAX_PROJECT_CHARS} characters"
    if not name.isprintable():
        return f"the project's name {name!r} holds an unprintable character"
    if name != name.strip():
        return f"the project's name {name!r} begins or ends with a space"
    return ""


def _is_project_id(text: str) -> bool:
    """Whether Phoenix could read it as a Relay id, `base64("Project:<row>")`.

    Python's decoder, which Phoenix uses, skips foreign characters and stops at the padding, so
    `-UHJvamVjdDox` and `UHJvamVjdDoxMg==team-a` are ids too; surplus padding is ignored.
    """
    try:
        return base64.b64decode(f"{text}===").startswith(b"Project:")
    except ValueError:
        return False
