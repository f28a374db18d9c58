import type { NextConfig } from "next";

// Read when `next build` runs: a changed ROOST_URL needs a new build.
const roost = process.env.ROOST_URL;
if (!roost) throw new Error("Set ROOST_URL to where Roost listens, for example in .env.local");

const config: NextConfig = {
  // Phoenix lives at /api/phoenix/ui/<tenant>/: the slash at the end is part of the address.
  skipTrailingSlashRedirect: true,
  experimental: { proxyClientMaxBodySize: "64mb" },
  rewrites: async () => [
    { source: "/api/phoenix/:path(.*)", destination: `${roost}/api/phoenix/:path` },
  ],
};

export default config;
