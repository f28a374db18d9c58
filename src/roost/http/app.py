"""Roost's own page: Phoenix of one tenant in a frame, and who somebody is."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from roost.errors import NotFound
from roost.http import pages
from roost.http.answers import answer, answer_json, redirect
from roost.http.call import Call
from roost.http.principal import tenants_of
from roost.http.routes import Match
from roost.model import Identity, Role, Slug, Tenant


@dataclass(frozen=True, slots=True)
class App:
    identify: Callable[[Call], Awaitable[Identity]]
    tenants: Callable[[], Mapping[Slug, Tenant]]
    frame_ancestors: Sequence[str]

    async def page(self, call: Call, match: Match) -> None:
        """`/app/` leads to the first tenant, `/app/<slug>` shows its Phoenix."""
        identity = await self.identify(call)
        mine = [one for one in self._mine(identity) if _may_look(identity, one)]
        if not mine:
            await pages.show(call, pages.nothing_yet(), 200, self.frame_ancestors)
            return
        if len(match.rest) == 1:
            await redirect(call, f"{call.base}/app/{mine[0].slug}")
            return
        current = next((one for one in mine if (one.slug,) == match.rest[1:]), None)
        if current is None:
            raise NotFound(reason=f"no tenant {match.rest[1:]} for this identity")
        person = identity.name or identity.email or identity.subject
        shell = pages.shell(call.base, mine, current, person)
        await pages.show(call, shell, 200, self.frame_ancestors)

    async def me(self, call: Call, match: Match) -> None:
        """Who the caller is and which tenants are theirs."""
        identity = await self.identify(call)
        mine = [
            {"slug": one.slug, "name": one.name, "role": _label(identity.role_in(one.slug))}
            for one in self._mine(identity)
        ]
        person = {"subject": identity.subject, "name": identity.name, "email": identity.email}
        await answer_json(call, {**person, "proof": identity.proof.value, "tenants": mine})

    async def health(self, call: Call, match: Match) -> None:
        """Liveness: this process answers. Readiness is the keeper's to tell."""
        await answer(call, 200, "text/plain", b"ok\n")

    def _mine(self, identity: Identity) -> list[Tenant]:
        return tenants_of(identity, self.tenants())


def _may_look(identity: Identity, tenant: Tenant) -> bool:
    role = identity.role_in(tenant.slug)
    return role is not None and role >= Role.VIEWER


def _label(role: Role | None) -> str | None:
    return None if role is None else role.label
