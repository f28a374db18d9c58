// Roost's live view in a page: what changes in a tenant, over a WebSocket or, where upgrades do not
// pass, over an event stream.
//
//   const live = connect({ url: "/api/phoenix/t/acme/live", project: "default",
//                          onUpsert, onRemove, onReset, onState });
//
// onUpsert(trace)   a row of the trace list, new or changed
// onRemove(id)      a trace that is gone, or no longer to be seen
// onReset(why)      load the list (anew), after this and not before: "start", "missed", "gap"
// onState(state, more)
//   "connecting"    more.attempt
//   "live"          more.transport: "socket" or "events"
//   "waiting"       more.ms until the next attempt
//   "paused"        the page was hidden for long; it goes on by itself
//   "expired"       sign in, then call live.signedIn()
//   "refused"       more.status; not yours or not there
//   "closed"        by live.close()
//
// getToken()        may be asynchronous; its token goes into a header or the first message, never
//                   into a URL. Without it the browser's cookies say who it is.
//
// Rule 1: an id is kept only once all before it was told to the host. Rule 2: whoever cannot be
// sure that nothing was missed calls onReset.

const FIRST_MESSAGE_MS = { socket: 5000, events: 15_000 };
const PAUSE_AFTER_MS = 60_000;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const BEATS_MISSED = 3;
const SOCKET = "roost.live";
const SOCKET_WITH_TOKEN = "roost.live.token";
const nothing = () => {};

/** Watches until `close`; returns `{ close, signedIn }`. */
export function connect(options) {
  const live = new Live(options);
  live.begin();
  return { close: () => live.close(), signedIn: () => live.signedIn() };
}

class Live {
  #url;
  #getToken;
  #host;
  #pauseAfterMs;
  #state = "";
  #lastId = "";
  #resuming = false;
  #attempts = 0;
  #prefersEvents = false;
  #freshToken = false;
  #timers = { retry: 0, silence: 0, pause: 0 };
  #transport = null;
  #round = 0;
  #silence = 30_000;
  #onVisibility = () => this.#visibilityChanged();

  constructor({ url, project, getToken, pauseAfterMs = PAUSE_AFTER_MS, ...callbacks }) {
    this.#url = new URL(url, document.baseURI);
    if (project !== undefined && project !== null) this.#url.searchParams.set("project", project);
    this.#getToken = getToken;
    this.#pauseAfterMs = pauseAfterMs;
    this.#host = { onUpsert: nothing, onRemove: nothing, onReset: nothing, onState: nothing };
    for (const name of Object.keys(this.#host)) {
      if (callbacks[name]) this.#host[name] = callbacks[name];
    }
  }

  begin() {
    document.addEventListener("visibilitychange", this.#onVisibility);
    this.#open();
  }

  close() {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    this.#stop("closed");
  }

  signedIn() {
    if (this.#state !== "expired" && this.#state !== "refused") return;
    this.#attempts = 0;
    this.#freshToken = false;
    this.#open();
  }

  async #open() {
    const round = this.#drop();
    this.#tell("connecting", { attempt: this.#attempts });
    let token = null;
    try {
      token = this.#getToken ? await this.#getToken() : null;
    } catch {
      if (round === this.#round) this.#retry();
      return;
    }
    if (round !== this.#round) return;
    this.#resuming = this.#lastId !== "";
    const [open, firstMs] = this.#prefersEvents
      ? [openEvents, FIRST_MESSAGE_MS.events]
      : [openSocket, FIRST_MESSAGE_MS.socket];
    this.#expect(firstMs);
    this.#transport = open(this.#url, token, this.#lastId, {
      said: (message) => round === this.#round && this.#take(message),
      ended: (how) => round === this.#round && this.#ended(how),
    });
  }

  #take(message) {
    if (this.#state === "connecting") this.#greeted(message);
    else this.#expect();
    switch (message.type) {
      case "upsert":
        this.#call("onUpsert", message.trace);
        break;
      case "remove":
        this.#call("onRemove", message.trace_id);
        break;
      case "missed":
        this.#call("onReset", "missed");
        break;
      case "reset":
        this.#resuming = false;
        this.#call("onReset", "gap");
        break;
      case "resumed":
        this.#resuming = false;
        break;
      case "expired":
        this.#ended({ status: 401 });
        return;
    }
    // While what was missed is still to come, a newer id would skip it.
    if (message.id && (!this.#resuming || this.#transport.keepsOrder)) this.#lastId = message.id;
  }

  #greeted(message) {
    this.#attempts = 0;
    this.#freshToken = false;
    this.#silence = (message.heartbeat_s ?? 10) * 1000 * BEATS_MISSED;
    this.#expect();
    this.#tell("live", { transport: this.#transport.name });
    if (!this.#resuming) this.#call("onReset", "start");
  }

  /** Whoever is silent for longer than that is gone, whatever the connection says. */
  #expect(ms = this.#silence) {
    clearTimeout(this.#timers.silence);
    this.#timers.silence = setTimeout(() => this.#ended({ status: 0 }), ms);
  }

  #ended({ status, retryAfterMs = 0 }) {
    const wasSocket = this.#transport?.name === "socket";
    const greeted = this.#state === "live";
    if (status === 401) this.#expired();
    else if (status === 403 || status === 404 || status === 400) this.#stop("refused", { status });
    else if (wasSocket && !greeted && status === 0) {
      // The upgrade did not pass, or nothing comes through it: at once the other way.
      this.#prefersEvents = true;
      this.#open();
    } else {
      // Nothing answers at all: the socket is tried first again.
      if (!greeted && status === 0) this.#prefersEvents = false;
      this.#retry(retryAfterMs);
    }
  }

  /** A host that hands out tokens is asked for a fresh one, once. */
  #expired() {
    if (this.#getToken && !this.#freshToken) {
      this.#freshToken = true;
      this.#open();
    } else {
      this.#stop("expired");
    }
  }

  #retry(atLeastMs = 0) {
    this.#drop();
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempts);
    const ms = Math.max(atLeastMs, ceiling * (0.5 + Math.random() / 2));
    this.#attempts += 1;
    this.#tell("waiting", { ms });
    this.#timers.retry = setTimeout(() => this.#open(), ms);
  }

  #stop(state, more = {}) {
    this.#drop();
    this.#tell(state, more);
  }

  /** Nothing of the last round counts any more. */
  #drop() {
    for (const name of ["retry", "silence"]) clearTimeout(this.#timers[name]);
    this.#transport?.close();
    this.#transport = null;
    this.#round += 1;
    return this.#round;
  }

  #tell(state, more = {}) {
    this.#state = state;
    this.#call("onState", state, more);
  }

  /** What the host does wrong is the host's to see, and no reason to come back again and again. */
  #call(name, ...values) {
    try {
      this.#host[name](...values);
    } catch (error) {
      reportError(error);
    }
  }

  #visibilityChanged() {
    clearTimeout(this.#timers.pause);
    if (!document.hidden) {
      if (this.#state === "paused" || this.#state === "waiting") this.#open();
    } else if (["connecting", "live", "waiting"].includes(this.#state)) {
      this.#timers.pause = setTimeout(() => this.#stop("paused"), this.#pauseAfterMs);
    }
  }
}

function openSocket(url, token, lastId, { said, ended }) {
  const address = new URL(url);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address, token === null ? [SOCKET] : [SOCKET_WITH_TOKEN]);
  socket.onopen = () => {
    if (token !== null) socket.send(JSON.stringify({ token }));
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    said(message);
    if (message.type === "hello" && lastId) {
      socket.send(JSON.stringify({ type: "resume", id: lastId }));
    }
  };
  socket.onclose = ({ code }) => ended({ status: code > 4000 ? code - 4000 : 0 });
  return { name: "socket", keepsOrder: false, close: () => socket.close() };
}

function openEvents(url, token, lastId, { said, ended }) {
  const stop = new AbortController();
  const headers = { Accept: "text/event-stream" };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (lastId) headers["Last-Event-ID"] = lastId;
  readEvents(url, { headers, signal: stop.signal, cache: "no-store" }, said)
    .then(ended)
    .catch(() => ended({ status: 0 }));
  // What was missed comes first, in order, each with its own id.
  return { name: "events", keepsOrder: true, close: () => stop.abort() };
}

async function readEvents(url, request, said) {
  const answer = await fetch(url, request);
  if (!answer.ok) {
    const retryAfterMs = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
    return { status: answer.status, retryAfterMs };
  }
  if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return { status: 502 };
  let text = "";
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return { status: 0 };
    const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) said(JSON.parse(data.slice(6)));
    }
  }
}
