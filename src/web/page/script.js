"use strict";
// Keeps the page fresh. A refresh changes only what differs, so that focus, scrolling, selections and opened details stay.
(() => {
  const EVERY = 5000;
  const PATIENCE = 10000;
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  const pause = document.getElementById("pause");
  let timer = 0;
  let busy = false;
  let paused = false;

  function same(old, fresh) {
    return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id ?? "") === (fresh.id ?? "");
  }

  function changeAttributes(old, fresh) {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      // Whether details are open is the reader's choice.
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
  }

  function changeChildren(old, fresh) {
    const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    const kept = new Set([...fresh.children].map((child) => child.id));
    for (const [id, child] of named) if (!kept.has(id)) child.remove();
    let here = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      const match = next.id ? named.get(next.id) : here;
      if (!match || !same(match, next)) {
        old.insertBefore(next, here);
        continue;
      }
      if (match === here) here = here.nextSibling;
      else old.insertBefore(match, here);
      change(match, next);
    }
    while (here) {
      const after = here.nextSibling;
      here.remove();
      here = after;
    }
  }

  function change(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    changeAttributes(old, fresh);
    changeChildren(old, fresh);
  }

  function say(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  async function refresh() {
    const answer = await fetch("api/v1/status?include=page", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { page } = await answer.json();
    if (paused) return;
    change(live, new DOMParser().parseFromString(page, "text/html").getElementById("live"));
  }

  async function turn() {
    clearTimeout(timer);
    if (busy || paused || document.hidden) return;
    busy = true;
    try {
      await refresh();
      say("");
    } catch {
      say("The exporter does not answer. The numbers are those of its last answer; it is asked again every few seconds.");
    }
    busy = false;
    timer = setTimeout(turn, EVERY);
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    turn();
  });
  document.addEventListener("visibilitychange", turn);
  pause.hidden = false;
  timer = setTimeout(turn, EVERY);
})();
