from pathlib import Path

from roost.policy.operations import MUTATIONS, QUERIES, SUBSCRIPTIONS
from roost.policy.reference import render
from roost.policy.routes import RULES
from roost.policy.ui import UI_RULES

PAGE = Path(__file__).parents[2] / "docs" / "routes.md"


def test_the_page_is_the_one_that_the_tables_give() -> None:
    assert PAGE.read_text() == render(), "run `python -m roost.policy.reference > docs/routes.md`"


def test_the_page_names_every_row() -> None:
    page = render()
    rows = [rule.template for rule in (*RULES, *UI_RULES)]
    names = [*rows, *QUERIES, *MUTATIONS, *SUBSCRIPTIONS]
    assert [name for name in names if f"`{name}`" not in page] == []
