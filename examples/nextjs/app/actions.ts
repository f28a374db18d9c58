"use server";

import { AuthError } from "next-auth";
import { signIn, signOut } from "@/auth";

export async function enter(_: string, form: FormData): Promise<string> {
  try {
    await signIn("credentials", {
      email: form.get("email"),
      password: form.get("password"),
      redirectTo: "/",
    });
  } catch (error) {
    if (error instanceof AuthError) return "That e-mail and password do not fit.";
    throw error; // Next redirects by throwing.
  }
  return "";
}

export async function leave(): Promise<void> {
  await signOut({ redirectTo: "/" });
}
