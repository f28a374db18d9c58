// Session cookies by the real libraries: each wish on stdin becomes the cookies that the
// library's own session route sets. Its handlers chunk, name and encrypt; nothing is redone here.
//   in:  [{version: 4|5, secret, claims, https?, cookieName?}]
//   out: [{name: value}], emptied (deleted) cookies left out
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { text } from "node:stream/consumers"

const modules = join(process.argv[2], "node_modules")
const require = createRequire(join(modules, "_"))
const { Auth } = await import(pathToFileURL(join(modules, "@auth/core/index.js")))
const { encode: encode5 } = await import(pathToFileURL(join(modules, "@auth/core/jwt.js")))
const { encode: encode4 } = require("next-auth/jwt")
// Not exported: NextAuth 4's handler without the part that imports next.
const { AuthHandler } = require(join(modules, "next-auth/core/index.js"))

const origin = (wish) => `${wish.https ? "https" : "http"}://localhost:3000`
const cookies = (wish) => (wish.cookieName ? { sessionToken: { name: wish.cookieName } } : undefined)
const nameOf = (wish, plain) => wish.cookieName ?? (wish.https ? `__Secure-${plain}` : plain)
const grown = (wish) => ({ jwt: ({ token }) => ({ ...token, ...wish.claims }) })

async function version4(wish) {
  const name = nameOf(wish, "next-auth.session-token")
  const seed = await encode4({ token: {}, secret: wish.secret })
  const answer = await AuthHandler({
    req: {
      action: "session",
      method: "GET",
      cookies: { [name]: seed },
      headers: {},
      query: {},
      origin: origin(wish),
    },
    options: {
      secret: wish.secret,
      providers: [],
      callbacks: grown(wish),
      useSecureCookies: wish.https ?? false,
      ...(cookies(wish) && { cookies: cookies(wish) }),
    },
  })
  return answer.cookies.map(({ name, value }) => [name, value])
}

async function version5(wish) {
  const name = nameOf(wish, "authjs.session-token")
  const seed = await encode5({ token: {}, secret: wish.secret, salt: name })
  const request = new Request(`${origin(wish)}/auth/session`, {
    headers: { cookie: `${name}=${seed}` },
  })
  const answer = await Auth(request, {
    secret: wish.secret,
    providers: [],
    basePath: "/auth",
    trustHost: true,
    callbacks: grown(wish),
    ...(cookies(wish) && { cookies: cookies(wish) }),
  })
  return answer.headers.getSetCookie().map((line) => line.split(";")[0].split(/=(.*)/s).slice(0, 2))
}

const minted = []
for (const wish of JSON.parse(await text(process.stdin))) {
  const pairs = await (wish.version === 4 ? version4(wish) : version5(wish))
  minted.push(Object.fromEntries(pairs.filter(([, value]) => value)))
}
console.log(JSON.stringify(minted))
