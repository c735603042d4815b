// SPDX-License-Identifier: Apache-2.0
// The question before a command: every page that asks has the dialog `ask`.

const byId = (id) => document.getElementById(id);

/** Ask the person; whether the answer is yes. */
export function ask(title, text, yes) {
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = yes;
  const dialog = byId("ask");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => { dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }); });
}
