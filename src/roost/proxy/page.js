// Runs first in Phoenix's page. Gives it storage of its own tenant, and tells Roost of sign-out.
(function () {
  "use strict";
  const own = document.currentScript.dataset;
  const prefix = "roost:" + own.space + ":";

  function inMemory() {
    const kept = new Map();
    return {
      getItem: (key) => (kept.has(key) ? kept.get(key) : null),
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
      key: (index) => [...kept.keys()][index] ?? null,
      get length() {
        return kept.size;
      },
    };
  }

  // Browsers that block storage of a framed site throw already on access.
  function store(name) {
    try {
      const found = window[name];
      found.getItem(prefix);
      return found;
    } catch {
      return inMemory();
    }
  }

  function spaced(kept) {
    const keys = () => {
      const found = [];
      for (let index = 0; index < kept.length; index++) {
        const key = kept.key(index);
        if (key.startsWith(prefix)) found.push(key.slice(prefix.length));
      }
      return found;
    };
    const methods = {
      getItem: (key) => kept.getItem(prefix + key),
      setItem: (key, value) => kept.setItem(prefix + key, String(value)),
      removeItem: (key) => kept.removeItem(prefix + key),
      clear: () => keys().forEach((key) => kept.removeItem(prefix + key)),
      key: (index) => keys()[index] ?? null,
    };
    const item = (key) => (typeof key === "string" ? methods.getItem(key) : null);
    return new Proxy(Object.create(null), {
      get: (_, key) => {
        if (key === "length") return keys().length;
        if (Object.hasOwn(methods, key)) return methods[key];
        return item(key) ?? undefined;
      },
      set: (_, key, value) => (methods.setItem(String(key), value), true),
      has: (_, key) => key === "length" || Object.hasOwn(methods, key) || item(key) !== null,
      deleteProperty: (_, key) => (methods.removeItem(String(key)), true),
      ownKeys: keys,
      getOwnPropertyDescriptor: (_, key) => {
        const value = item(key);
        if (value === null) return undefined;
        return { value, writable: true, enumerable: true, configurable: true };
      },
    });
  }

  for (const name of ["localStorage", "sessionStorage"]) {
    const mine = spaced(store(name));
    Object.defineProperty(window, name, { get: () => mine, configurable: false });
  }
  // Their keys are the raw ones, of every tenant.
  window.addEventListener("storage", (event) => event.stopImmediatePropagation(), true);

  if (own.theme && localStorage.getItem("arize-phoenix-theme") === null) {
    localStorage.setItem("arize-phoenix-theme", own.theme);
  }

  function tell(type) {
    if (window.parent !== window) window.parent.postMessage({ type }, "*");
  }

  // Phoenix signs out by navigation. Where a browser cannot catch one, the gateway answers it.
  function navigates(event) {
    const path = new URL(event.destination.url).pathname;
    if (path === own.mount + "/login") tell("roost-expired");
    if (path !== own.mount + "/auth/logout" || !own.signOut || !event.cancelable) return;
    event.preventDefault();
    fetch(own.signOut, { method: "POST" }).finally(() => {
      tell("roost-sign-out");
      window.location.reload();
    });
  }
  window.navigation?.addEventListener("navigate", navigates);
})();
