"""`python -m roost.cli`, for processes that Roost starts itself."""

from roost.cli.main import main

main()
