import { createHash, timingSafeEqual } from "node:crypto";
import NextAuth from "next-auth";
import Credentials from "next-auth/providers/credentials";

// Two people of two tenants. Your app has its own: what matters to Roost is the `jwt` callback.
const people = [
  { id: "user-ann", name: "Ann", email: "ann@acme.example", tenant: "acme", role: "admin" },
  { id: "user-bob", name: "Bob", email: "bob@globex.example", tenant: "globex", role: "member" },
];

const digest = (text: string) => createHash("sha256").update(text).digest();

function passwordFits(given: unknown): boolean {
  const wanted = process.env.DEMO_PASSWORD;
  if (!wanted) throw new Error("Set DEMO_PASSWORD, for example in .env.local");
  return typeof given === "string" && timingSafeEqual(digest(given), digest(wanted));
}

export const { handlers, auth, signIn, signOut } = NextAuth({
  session: { strategy: "jwt" },
  providers: [
    Credentials({
      credentials: { email: { type: "email" }, password: { type: "password" } },
      authorize: ({ email, password }) =>
        (passwordFits(password) && people.find((person) => person.email === email)) || null,
    }),
  ],
  callbacks: {
    // Roost reads these claims. `sub` must be the same at each sign-in: without a database,
    // Auth.js gives people of an OAuth provider a new random id each time, so set it here.
    jwt({ token, user }) {
      if (user) {
        token.sub = user.id;
        token.tenant = user.tenant;
        token.role = user.role;
      }
      return token;
    },
    session({ session, token }) {
      session.user.tenant = token.tenant;
      return session;
    },
  },
});
