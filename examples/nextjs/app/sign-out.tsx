"use client";

import { useEffect, useTransition } from "react";
import { leave } from "./actions";

export function SignOut() {
  const [busy, start] = useTransition();
  useEffect(() => {
    // Somebody signed out inside the frame.
    const heard = ({ origin, data }: MessageEvent) => {
      if (origin === location.origin && data?.type === "roost-sign-out") start(leave);
    };
    addEventListener("message", heard);
    return () => removeEventListener("message", heard);
  }, []);
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
