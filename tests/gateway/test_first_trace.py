"""The whole way: `roost up`, its snippet unchanged, and the trace is in the tenant's Phoenix."""

import re
import subprocess

from tests.cells.stock_phoenix import until
from tests.installation import Installation


def printed_snippet(roost: Installation) -> str:
    """What `roost up` prints for people to paste."""
    found = re.search(r"^\S+ - <<'PYTHON'\n.*?^PYTHON$", roost.log, re.DOTALL | re.MULTILINE)
    return found.group(0) if found else ""


def test_the_printed_snippet_sends_a_first_trace(roost: Installation) -> None:
    until(lambda: printed_snippet(roost) != "", "the snippet was printed", 120)
    subprocess.run(printed_snippet(roost), shell=True, check=True, timeout=60)  # noqa: S602
    key = roost.key("default", "read")
    with roost.client(key) as client:

        def arrived() -> bool:
            spans = client.get("/v1/projects/default/spans").json()["data"]
            return any(span["name"] == "hello, roost" for span in spans)

        until(arrived, "the trace was in Phoenix", 30)


def test_each_person_sees_their_own_tenant_and_nobody_elses(roost: Installation) -> None:
    ann, bob = roost.cookie("Ann", "acme"), roost.cookie("Bob", "globex")
    with roost.client(ann) as client:
        me = client.get("/api/me").json()
        assert [row["slug"] for row in me["tenants"]] == ["acme"]
        assert client.get("/t/acme/v1/projects").status_code == 200
        assert client.get("/t/globex/v1/projects").status_code == 404
    with roost.client(bob) as client:
        assert client.get("/t/globex/v1/projects").status_code == 200
        assert client.get("/t/acme/v1/projects").status_code == 404


def test_phoenix_knows_people_by_name_and_role(roost: Installation) -> None:
    with roost.client(roost.cookie("Ann", "acme", "viewer")) as client:
        user = client.get("/t/acme/v1/user").json()["data"]
    assert (user["username"], user["role"]) == ("Ann (viewer)", "VIEWER")
