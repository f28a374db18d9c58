"""Print the installed Phoenix's surface as JSON: run as a program, never imported for its effect.

Rule: Phoenix is imported inside `main` alone, so that collecting this file costs nothing.
"""

import json
import sys


def main() -> None:
    """To stdout: `routes`, pairs of method and path of everything but the static files (a mount
    has the method `*`), and `schema`, the GraphQL schema's own language."""
    from fastapi.routing import iter_route_contexts
    from phoenix.server.api.routers import create_auth_router
    from phoenix.server.api.schema import build_graphql_schema
    from phoenix.server.app import _db, create_app
    from phoenix.server.types import DbSessionFactory
    from pydantic import SecretStr
    from sqlalchemy.ext.asyncio import create_async_engine

    app = create_app(
        db=DbSessionFactory(db=_db(create_async_engine("sqlite+aiosqlite://")), dialect="sqlite"),
        authentication_enabled=True,
        secret=SecretStr("never-used-0123456789-never-used-0123456789"),
    )
    everything = [*app.routes, *create_auth_router(ldap_enabled=True).routes]
    routes = {
        (method, route.path)
        for route in iter_route_contexts(everything)
        if route.path
        for method in getattr(route, "methods", None) or ["*"]
    }
    json.dump(
        {"routes": sorted(routes), "schema": build_graphql_schema([]).as_str()},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
