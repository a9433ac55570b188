// Suggestions under the search box, copy buttons, and the code of an invitation.
// The pages work without.
"use strict";

// The code stands after # in the invitation's link, so that no server sees it
// and only a script can fill it in. Nothing but what a code looks like is taken.
const invitation = /^#([2-9A-HJ-NP-Z-]{20,24})$/i.exec(location.hash)?.[1];
if (invitation) {
  for (const code of document.querySelectorAll("[data-invite] code")) {
    code.textContent = code.textContent.replace("CODE", invitation.toUpperCase());
  }
  for (const hint of document.querySelectorAll("[data-invite-hint]")) {
    hint.hidden = true;
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = button.dataset.done;
    } catch {
      button.textContent = button.dataset.fail;
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

// A combobox as WAI-ARIA describes it: the list is announced, arrows walk
// through it, Enter takes, Escape closes.
for (const input of document.querySelectorAll("[data-suggest]")) {
  const list = document.createElement("ul");
  list.id = input.id + "-list";
  list.className = "suggest";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.labels[0]?.textContent ?? "");
  input.after(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" })) {
    input.setAttribute(name, value);
  }
  let timer = 0;
  let asked = null; // the request under way, so that a late answer cannot overtake
  let at = -1;

  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (next) => {
    const items = list.children;
    at = (next + items.length) % items.length;
    for (let i = 0; i < items.length; i++) {
      items[i].setAttribute("aria-selected", String(i === at));
    }
    input.setAttribute("aria-activedescendant", items[at].id);
    items[at].scrollIntoView({ block: "nearest" });
  };
  const take = (text) => {
    input.value = text;
    close();
    input.form.requestSubmit();
  };
  const show = (found) => {
    list.replaceChildren(...found.map((s, i) => {
      const item = document.createElement("li");
      item.id = list.id + i;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const text = document.createElement("bdi");
      text.textContent = s.text;
      const kind = document.createElement("small");
      kind.textContent = s.kind;
      item.append(text, kind);
      item.addEventListener("mousedown", (e) => { e.preventDefault(); take(s.text); });
      return item;
    }));
    at = -1;
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(found.length > 0));
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    asked?.abort();
    const text = input.value.trim();
    if (text === "") {
      close();
      return;
    }
    timer = setTimeout(async () => {
      asked = new AbortController();
      try {
        const answer = await fetch("/suggest?q=" + encodeURIComponent(text), { signal: asked.signal });
        if (answer.ok && document.activeElement === input) {
          show(await answer.json());
        }
      } catch {
        close(); // aborted or offline: searching still works
      }
    }, 120);
  });
  input.addEventListener("keydown", (e) => {
    if (e.isComposing) { // an input method is choosing characters
      return;
    }
    if (e.key === "Escape") {
      close();
    } else if (!list.hidden && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      e.preventDefault();
      mark(at < 0 && e.key === "ArrowUp" ? -1 : at + (e.key === "ArrowDown" ? 1 : -1));
    } else if (e.key === "Enter" && at >= 0 && !list.hidden) {
      e.preventDefault();
      take(list.children[at].querySelector("bdi").textContent);
    }
  });
  input.addEventListener("blur", close);
}
