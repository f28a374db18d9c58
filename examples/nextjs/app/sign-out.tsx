"use client";

import { useTransition } from "react";
import { leave } from "./actions";

export function SignOut() {
  const [busy, start] = useTransition();
  const out = async () => {
    // Roost first: it ends what is open in the frame. A Roost that is down keeps nobody signed in.
    await fetch("/api/phoenix/sign-out", { method: "POST" }).catch(() => undefined);
    await leave();
  };
  return (
    <button disabled={busy} onClick={() => start(out)}>
      Sign out
    </button>
  );
}
