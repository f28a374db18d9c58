const form = document.querySelector("#sign-out");
const leave = () => form.submit();
form?.addEventListener("submit", (event) => {
  // Roost first: it ends what is open in the frame, and the cookie is still there to name it.
  event.preventDefault();
  fetch("/api/phoenix/sign-out", { method: "POST" }).finally(leave);
});
addEventListener("message", (event) => {
  // Somebody signed out inside the frame.
  const frame = document.querySelector("iframe");
  if (event.source === frame?.contentWindow && event.data?.type === "roost-sign-out") leave();
});

const aside = document.querySelector("aside");
if (aside) {
  const { connect } = await import("/api/phoenix/embed/live.js");
  const base = `/api/phoenix/t/${aside.dataset.tenant}`;
  const list = document.querySelector("#live");
  const rows = new Map();
  const show = (trace, isNew) => {
    const row = rows.get(trace.trace_id) ?? document.createElement("li");
    const name = document.createElement("b");
    name.textContent = trace.name;
    const size = document.createElement("span");
    size.textContent = `${trace.spans} spans`;
    const about = document.createElement("span");
    about.textContent = trace.stored === "pending" ? "received" : "in Phoenix";
    row.replaceChildren(name, size, about);
    row.classList.toggle("new", isNew);
    if (!rows.has(trace.trace_id)) isNew ? list.prepend(row) : list.append(row);
    rows.set(trace.trace_id, row);
  };
  const remove = (id) => { rows.get(id)?.remove(); rows.delete(id); };
  connect({
    url: `${base}/live`,
    onUpsert: (trace) => show(trace, true),
    onRemove: remove,
    onReset: async () => {
      const answer = await fetch(`${base}/api/traces?limit=12`);
      if (!answer.ok) return;
      [...rows.keys()].forEach(remove);
      (await answer.json()).traces.forEach((trace) => show(trace, false));
    },
    onState: (state) => { document.querySelector("#state").textContent = state; },
  });
  document.querySelector("#ask").addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = document.querySelector("#answer");
    said.textContent = "…";
    const question = new FormData(event.target).get("question");
    said.textContent = await (await fetch("/ask", { method: "POST", body: question })).text();
  });
}
