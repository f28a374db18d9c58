// The host's own events, from a page or from Node (20 and newer): the shape of Python's `Analytics`.
//
//   import { createTracker } from "/api/phoenix/embed/track.js";
//   const tracker = createTracker({ url: "/api/phoenix" });
//   tracker.track("report opened", { plan: "pro" });
//
// url         where Roost is; with `/t/<tenant>` for somebody of several tenants
// key         a key with the scope `ingest`: in Node alone, a page must not hold one
// getToken    gives a bearer token, may be asynchronous; without it the browser's cookies say who it is
// consent     "granted" (told to Roost where it is given), "pending" (waits for `consent`: nothing is
//             sent or kept) or "refused"; without it events are sent and nothing is said of consent
// persist     true (default in pages): the anonymous id and what was not sent outlive the page
// queueMax    events that may wait, 1000; the oldest go first and are counted
// batchMax, everyMs   a batch goes once 50 wait, or 2000 ms after the first came
//
// track(name, properties, { user, anonymousId, time })   time in milliseconds, as Date.now() gives it
// consent(granted, { user })   somebody agreed or refused; a refusal forgets what waits here
// reset()     another person from now on: call it at sign-out
// flush()     a promise of whether all was answered; close() the same, and the end
// stats()     { waiting, sent, duplicate, withheld, rejected, dropped, invalid, failures }
//
// Rule 1: `track` throws nothing and waits for nothing. Rule 2: an event has its id before it is
// first sent, so that sending it again is harmless; what was not answered is sent again.

// Browsers keep 64 KiB of bodies alive beyond a page; the rest is for what stands around events.
const KEEPALIVE_BYTES = 60_000;
const QUEUE_BYTES = 1024 * 1024;
const TIMEOUT_MS = 10_000;
const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 60_000;
const RETRY_AFTER_MAX_MS = 300_000;
const ORPHAN_AFTER_MS = 60_000;
const LIBRARY = "roost-js/0.1.0";
const NEVER = new Set([400, 415, 422]);
const TOO_LARGE = 413;
const IN_PAGE = typeof document !== "undefined";

export function createTracker(options) {
  const tracker = new Tracker(options);
  return {
    track: (name, properties, who) => tracker.track(name, properties, who),
    consent: (granted, who) => tracker.consent(granted, who),
    reset: () => tracker.reset(),
    flush: () => tracker.flush(),
    close: () => tracker.close(),
    stats: () => tracker.stats(),
  };
}

class Tracker {
  #endpoint;
  #getToken;
  #token = "";
  #consent;
  #store;
  #room;
  #anonymousId;
  #waiting = [];
  #bytes = 0;
  #underWay = new Set();
  #timer = null;
  #failures = 0;
  #notBefore = 0;
  #closed = false;
  #counts = { sent: 0, duplicate: 0, withheld: 0, rejected: 0, dropped: 0, invalid: 0, failures: 0 };
  #leaving = () => this.#leave();

  constructor({ url, key, getToken, consent: said, persist = IN_PAGE, ...room }) {
    const consent = said ?? "granted";
    if (!["granted", "pending", "refused"].includes(consent)) {
      throw new TypeError(`consent is "granted", "pending" or "refused", not ${consent}`);
    }
    const base = new URL(url, IN_PAGE ? document.baseURI : undefined).href;
    this.#endpoint = `${base.replace(/\/+$/, "")}/api/events`;
    this.#getToken = getToken;
    this.#token = key ?? "";
    this.#consent = consent;
    this.#room = { queueMax: 1000, batchMax: 50, everyMs: 2000, ...room };
    this.#store = new Store(persist, this.#endpoint);
    this.#anonymousId = newId();
    this.#listen(true);
    if (consent === "granted") this.#begin();
    if (said === "granted" && IN_PAGE) this.consent(true);
    if (consent === "refused") this.#store.forget();
  }

  #begin() {
    this.#anonymousId = this.#store.anonymousId(this.#anonymousId);
    for (const text of this.#store.adopt()) this.#put(text, false);
  }

  track(name, properties = {}, { user, anonymousId, time } = {}) {
    if (this.#consent === "refused" || this.#closed) return;
    // A page belongs to one person, whose id joins what they did before and after sign-in; a
    // server speaks for many, and its own id would make one person of them.
    const ownId = IN_PAGE || !user ? this.#anonymousId : undefined;
    const event = { id: newId(), name, time: (time ?? Date.now()) / 1000, user };
    this.#write({ ...event, anonymous_id: anonymousId ?? ownId, properties }, false);
  }

  consent(granted, { user, anonymousId } = {}) {
    const word = { granted, time: Date.now() / 1000, user };
    word.anonymous_id = anonymousId ?? (IN_PAGE ? this.#anonymousId : undefined);
    if (IN_PAGE || (!user && !anonymousId)) {
      const before = this.#consent;
      this.#consent = granted ? "granted" : "refused";
      if (!granted) this.#forget();
      else if (before !== "granted") this.#begin();
    }
    if (word.user || word.anonymous_id) this.#write(word, true);
  }

  reset() {
    this.#store.forget();
    this.#anonymousId = newId();
    if (this.#consent === "granted") this.#anonymousId = this.#store.anonymousId(this.#anonymousId);
  }

  async flush() {
    while (this.#waiting.length + this.#underWay.size > 0) {
      if (this.#consent === "pending" || Date.now() < this.#notBefore) return false;
      if (this.#underWay.size === 0) this.#send(this.#next());
      await Promise.race(this.#underWay);
      if (this.#failures > 0) return false;
    }
    return true;
  }

  async close() {
    this.#closed = true;
    this.#listen(false);
    const done = await this.flush();
    clearTimeout(this.#timer);
    return done;
  }

  stats() {
    let waiting = this.#waiting.length;
    for (const sending of this.#underWay) waiting += sending.batch.length;
    return { waiting, ...this.#counts };
  }

  #listen(on) {
    if (IN_PAGE) {
      const act = on ? "addEventListener" : "removeEventListener";
      globalThis[act]("pagehide", this.#leaving);
      document[act]("visibilitychange", this.#leaving);
    } else {
      globalThis.process?.[on ? "on" : "off"]("beforeExit", this.#leaving);
    }
  }

  #write(value, isConsent) {
    try {
      this.#put(wellFormed(JSON.stringify(value)), isConsent);
    } catch {
      this.#counts.invalid += 1;
    }
  }

  #put(text, isConsent) {
    const one = { text, isConsent, size: encoder.encode(text).length };
    // A word on consent goes before the events that it is about.
    if (isConsent) this.#waiting.unshift(one);
    else this.#waiting.push(one);
    this.#bytes += one.size;
    this.#bound();
    if (this.#consent !== "pending") this.#schedule();
  }

  #bound() {
    const waiting = this.#waiting;
    while (waiting.length > this.#room.queueMax || (this.#bytes > QUEUE_BYTES && waiting.length > 1)) {
      this.#bytes -= waiting.shift().size;
      this.#counts.dropped += 1;
    }
  }

  #forget() {
    this.#waiting = [];
    this.#bytes = 0;
    this.#store.forget();
  }

  #schedule() {
    if (this.#closed || this.#waiting.length === 0) return;
    const isFull = this.#waiting.length >= this.#room.batchMax && this.#failures === 0;
    if (this.#timer !== null && !isFull) return;
    clearTimeout(this.#timer);
    const pause = Math.max(isFull ? 0 : this.#room.everyMs, this.#notBefore - Date.now());
    this.#timer = setTimeout(() => this.#due(), pause);
    this.#timer.unref?.();
  }

  #due() {
    this.#timer = null;
    // One at a time, so that they arrive in order; the answer schedules the next.
    if (this.#underWay.size === 0) this.#send(this.#next());
  }

  #next(bytesMax = KEEPALIVE_BYTES) {
    const batch = [];
    let size = 0;
    while (this.#waiting.length > 0 && batch.length < this.#room.batchMax) {
      size += this.#waiting[0].size;
      if (batch.length > 0 && size > bytesMax) break;
      batch.push(this.#waiting.shift());
    }
    this.#bytes -= sizeOf(batch);
    return batch;
  }

  #send(batch) {
    if (batch.length === 0) return;
    const sending = this.#post(batch).then((isSettled) => {
      this.#underWay.delete(sending);
      if (!isSettled) this.#again(batch);
      this.#save();
      this.#schedule();
    });
    sending.batch = batch;
    this.#underWay.add(sending);
  }

  #again(batch) {
    if (this.#consent === "refused") batch = batch.filter((one) => one.isConsent);
    this.#waiting.unshift(...batch);
    this.#bytes += sizeOf(batch);
    this.#bound();
  }

  /** Whether nothing of it has to be sent again. */
  async #post(batch) {
    try {
      if (this.#getToken) this.#token = (await this.#getToken()) ?? "";
      const answer = await fetch(this.#endpoint, this.#request(batch));
      return await this.#settle(answer, batch);
    } catch {
      this.#pause(null);
      return false;
    }
  }

  #request(batch) {
    const headers = { "content-type": "application/json" };
    if (this.#token) headers.authorization = `Bearer ${this.#token}`;
    const body = bodyOf(batch);
    const keepalive = IN_PAGE && sizeOf(batch) <= KEEPALIVE_BYTES;
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return { method: "POST", headers, body, keepalive, credentials: "same-origin", signal };
  }

  async #settle(answer, batch) {
    if (answer.ok) {
      this.#failures = 0;
      this.#notBefore = 0;
      this.#count(await answer.json());
      return true;
    }
    if (answer.status === TOO_LARGE && batch.length > 1) {
      const half = batch.length >> 1;
      this.#send(batch.slice(0, half));
      this.#send(batch.slice(half));
      return true;
    }
    if (NEVER.has(answer.status) || answer.status === TOO_LARGE) {
      this.#counts.rejected += batch.length;
      return true;
    }
    this.#pause(answer.headers.get("retry-after"));
    return false;
  }

  #count(told) {
    for (const name of ["duplicate", "withheld", "rejected"]) {
      this.#counts[name] += told[name]?.length ?? 0;
    }
    this.#counts.sent += told.accepted?.length ?? 0;
  }

  /** Twice as long each time, a part of it by chance; or as long as the answer asks for. */
  #pause(retryAfter) {
    this.#failures += 1;
    this.#counts.failures += 1;
    const own = Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (this.#failures - 1));
    const asked = Number(retryAfter ?? NaN) * 1000;
    const pause = asked >= 0 ? Math.min(asked, RETRY_AFTER_MAX_MS) : own * (0.5 + Math.random() / 2);
    this.#notBefore = Date.now() + pause;
  }

  /** The page may be gone in a moment, or Node has nothing else to do: send what there is. */
  #leave() {
    if (this.#consent === "pending") return;
    if (!IN_PAGE) {
      if (this.#failures === 0 && this.#underWay.size === 0) this.#send(this.#next());
      return;
    }
    if (document.visibilityState !== "hidden") return;
    this.#save();
    let left = KEEPALIVE_BYTES;
    while (left > 0 && this.#waiting.length > 0) {
      const batch = this.#next(left);
      left -= sizeOf(batch);
      if (left < 0) this.#again(batch);
      else this.#sendLast(batch);
    }
  }

  /** A browser that cannot keep a fetch alive has beacons; nobody hears what becomes of one, so
   *  what it carries stays in the store and is sent again, to no harm. */
  #sendLast(batch) {
    if ("keepalive" in Request.prototype || this.#token || this.#getToken) {
      this.#send(batch);
    } else {
      navigator.sendBeacon(this.#endpoint, new Blob([bodyOf(batch)], { type: "application/json" }));
    }
  }

  #save() {
    if (this.#consent !== "granted") return;
    const unanswered = [...[...this.#underWay].flatMap((one) => one.batch), ...this.#waiting];
    this.#store.keep(unanswered.filter((one) => !one.isConsent).map((one) => one.text));
  }
}

/** What outlives the page, where the browser lets it. Each page has a slot of its own; one that was
 *  left with something in it is adopted by the next page. */
class Store {
  #area = null;
  #name;
  #slot;
  #isKept = false;

  constructor(persist, endpoint) {
    this.#name = `roost-track:${endpoint}`;
    this.#slot = `${this.#name}:${newId()}`;
    try {
      this.#area = persist ? globalThis.localStorage ?? null : null;
    } catch {
      // Blocked: nothing is kept.
    }
  }

  #try(work, otherwise) {
    try {
      return this.#area === null ? otherwise : work(this.#area);
    } catch {
      return otherwise;
    }
  }

  anonymousId(fresh) {
    return this.#try((area) => {
      const kept = area.getItem(this.#name);
      if (kept === null) area.setItem(this.#name, fresh);
      return kept ?? fresh;
    }, fresh);
  }

  keep(texts) {
    if (texts.length === 0 && !this.#isKept) return;
    this.#try((area) => {
      if (texts.length === 0) area.removeItem(this.#slot);
      else area.setItem(this.#slot, JSON.stringify({ at: Date.now(), texts }));
      this.#isKept = texts.length > 0;
    });
  }

  adopt() {
    return this.#try((area) => {
      const names = Object.keys(area).filter((name) => name.startsWith(`${this.#name}:`));
      return names.flatMap((name) => this.#take(area, name));
    }, []);
  }

  #take(area, name) {
    let held = { at: 0, texts: [] };
    try {
      held = JSON.parse(area.getItem(name));
    } catch {
      // Not ours, or cut off: it goes.
    }
    if (name === this.#slot || Date.now() - held.at < ORPHAN_AFTER_MS) return [];
    area.removeItem(name);
    return held.texts;
  }

  forget() {
    this.#try((area) => {
      for (const name of Object.keys(area)) {
        if (name === this.#name || name.startsWith(`${this.#name}:`)) area.removeItem(name);
      }
    });
  }
}

/** Halves of a character, which JSON can write and nobody can read, become U+FFFD: one such text
 *  must not spoil a batch. */
function wellFormed(text) {
  if (!text.includes("\\ud")) return text;
  return text.replace(/\\(?:\\|ud[89a-f]..)/g, (found) => (found === "\\\\" ? found : "\ufffd"));
}

const encoder = new TextEncoder();

function sizeOf(batch) {
  return batch.reduce((sum, one) => sum + one.size, 0);
}

function bodyOf(batch) {
  const texts = (isConsent) => batch.filter((one) => one.isConsent === isConsent).map((one) => one.text);
  const head = `"sent_at":${Date.now() / 1000},"library":"${LIBRARY}"`;
  return `{${head},"events":[${texts(false)}],"consents":[${texts(true)}]}`;
}

/** A UUID of version 7: what is sent twice is known by it. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint32(0, Math.floor(Date.now() / 65_536));
  new DataView(bytes.buffer).setUint16(4, Date.now() % 65_536);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
