"""Sessions stand in the project in which they began; where the log does not tell any more which one
that was, the cell does.

Rule: a session that the cell does not know is left as the log has it.
"""

from dataclasses import dataclass

from roost.cells.ledger_sessions import SqliteSessions
from roost.http.index_desk import IndexDesk
from roost.index.amending import Hand
from roost.index.moves import move_session, sessions_after

SESSIONS_AT_ONCE = 1_000


@dataclass(slots=True)
class SessionWalk:
    index: IndexDesk
    _word: int = 0

    async def look(self, sessions: SqliteSessions) -> None:
        """One slice; the next look goes on from there, round and round."""
        after = self._word
        found = await self.index.read(lambda db: sessions_after(db, after, SESSIONS_AT_ONCE))
        self._word = found[-1].word if len(found) == SESSIONS_AT_ONCE else 0
        there = await sessions.projects_of([one.session for one in found])
        moved = [
            (one.word, there[one.session])
            for one in found
            if there.get(one.session, one.project) != one.project
        ]
        if not moved:
            return

        def act(hand: Hand) -> None:
            for word, project in moved:
                move_session(hand, word, project)

        await self.index.amend(act)
