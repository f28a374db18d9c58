import type { DefaultSession } from "next-auth";

declare module "next-auth" {
  interface User {
    tenant: string;
    role: string;
  }
  interface Session {
    user: { tenant: string } & DefaultSession["user"];
  }
}

declare module "@auth/core/jwt" {
  interface JWT {
    tenant: string;
    role: string;
  }
}
