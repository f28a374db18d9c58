"use client";

import { useActionState } from "react";
import { enter } from "./actions";

export function SignIn() {
  const [problem, action, busy] = useActionState(enter, "");
  return (
    <form action={action} className="card">
      <h1>Sign in</h1>
      <label>
        E-mail
        <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <button disabled={busy}>Sign in</button>
      <p role="alert">{problem}</p>
    </form>
  );
}
