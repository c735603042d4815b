// SPDX-License-Identifier: Apache-2.0
// The page of updates: upload or name a bundle, follow it, slots, history, when to restart.

import { ask } from "./dialog.js";
import { follow, Refused, request, token, whenLost } from "./session.js";

const byId = (id) => document.getElementById(id);
const LOOK = { idle: "good", receiving: "warn", checking: "warn", installing: "warn", pending: "warn", rebooting: "warn", trying: "warn" };
const WORD = {
  idle: "Up to date", receiving: "Receiving", checking: "Checking", installing: "Installing",
  pending: "Waiting for the restart", rebooting: "Restarting", trying: "On trial",
};
const BUSY = ["receiving", "checking", "installing", "rebooting"];
const MOVING = ["receiving", "checking", "installing"];
const FAILED = ["failed", "refused", "rolled back"];
let mayChange = false;
let uploading = false;
let seen = "";
let policyTouched = false;

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

function reason(error) {
  return error instanceof Refused ? error.message : "The device does not answer. It may be restarting; this page goes on trying.";
}

function strangers() {
  byId("board").hidden = true;
  byId("strangers").hidden = false;
}

function show(now) {
  const bad = now.state === "idle" && FAILED.includes(now.last?.outcome);
  byId("state").className = `state ${bad ? "bad" : LOOK[now.state] ?? ""}`;
  const word = bad ? "The last update failed" : WORD[now.state] ?? now.state;
  if (byId("state-word").textContent !== word) byId("state-word").textContent = word;
  byId("progress").hidden = !MOVING.includes(now.state);
  byId("progress").value = now.progress;
  byId("text").hidden = !now.text;
  byId("text").className = `notice ${bad ? "bad" : "warn"}`;
  byId("text").textContent = MOVING.includes(now.state) ? `${now.text} – ${now.progress} %` : now.text;
  byId("version").textContent = now.version || "–";
  byId("booted").textContent = now.booted || "–";
  byId("trial").textContent = now.booted ? (now.trial ? "not yet" : "yes") : "–";
  byId("pending").textContent = now.pending && now.pending !== now.booted ? `slot ${now.pending}` : "–";
  const busy = BUSY.includes(now.state) || uploading;
  for (const id of ["file-submit", "url-submit", "reboot", "rollback"]) byId(id).disabled = busy;
  if (!policyTouched) {
    byId("policy").value = now.reboot_policy;
    byId("window").value = now.reboot_window;
    byId("window-row").hidden = now.reboot_policy !== "window";
  }
  const mark = `${now.state} ${now.last?.id} ${now.last?.outcome} ${now.pending} ${now.trial}`;
  if (mark !== seen) {
    seen = mark;
    readHistory().catch((error) => notice(reason(error)));
    if (!MOVING.includes(now.state)) readSlots().catch((error) => { byId("slots").textContent = reason(error); });
  }
}

function row(cells) {
  const line = document.createElement("tr");
  for (const cell of cells) {
    const place = line.insertCell();
    if (cell instanceof Node) place.append(cell);
    else place.textContent = cell;
  }
  return line;
}

async function readSlots() {
  const { slots } = await request("GET", "/api/update/slots", { seconds: 90 });
  byId("slots").replaceChildren(...slots.map((slot) => {
    const states = [
      slot.booted && "in use", slot.committed && "starts by itself", slot.pending && !slot.booted && "tried next",
      !slot.complete ? "not complete" : slot.good ? "good" : "not proven",
    ].filter(Boolean);
    return row([slot.name, slot.version || "–", states.join(", ")]);
  }));
}

async function readHistory() {
  const { updates } = await request("GET", "/api/update/history");
  byId("history").replaceChildren(...updates.map((update) => {
    const outcome = document.createElement("div");
    const word = document.createElement("span");
    word.textContent = update.outcome;
    word.className = update.outcome === "done" ? "fine" : FAILED.includes(update.outcome) ? "poor" : "";
    outcome.append(word);
    if (update.reason) {
      const why = document.createElement("div");
      why.className = "muted";
      why.textContent = update.reason;
      outcome.append(why);
    }
    const line = row([new Date(update.started * 1000).toLocaleString(), update.version || "–", outcome, update.name, update.user]);
    for (const cell of [3, 4]) line.cells[cell].className = "extra";
    return line;
  }));
  if (!updates.length) byId("history").replaceChildren(row(["–", "–", "None yet.", "–", "–"]));
}

/** Sends the file and shows how far it is; fetch does not tell that. */
function upload(file) {
  return new Promise((done, fail) => {
    const sending = new XMLHttpRequest();
    const query = new URLSearchParams({ name: file.name, force: byId("force").checked });
    sending.open("POST", `/api/update/bundle?${query}`);
    sending.setRequestHeader("Authorization", `Bearer ${token()}`);
    sending.setRequestHeader("Content-Type", "application/octet-stream");
    sending.responseType = "json";
    sending.upload.addEventListener("progress", (event) => { byId("upload").value = (100 * event.loaded) / event.total; });
    sending.addEventListener("load", () => {
      if (sending.status === 200) done(sending.response);
      else fail(new Refused(sending.status, sending.response?.msg ?? `The device answered ${sending.status}.`));
    });
    sending.addEventListener("error", () => fail(new Error("the upload was cut off")));
    sending.send(file);
  });
}

byId("file-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = byId("file").files[0];
  if (!file) return;
  uploading = true;
  notice("");
  byId("file-submit").disabled = true;
  byId("upload").value = 0;
  byId("upload").hidden = false;
  try {
    await upload(file);
    byId("file-form").reset();
  } catch (error) {
    notice(error instanceof Refused ? error.message : "The upload was cut off; nothing was installed. Try again.");
  } finally {
    uploading = false;
    byId("upload").hidden = true;
    byId("file-submit").disabled = false;
  }
});

async function command(method, path, body) {
  notice("");
  try {
    const answer = await request(method, path, { body, seconds: 120 });
    if (answer.message) notice(answer.message);
    return true;
  } catch (error) {
    notice(reason(error));
    return false;
  }
}

byId("url-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await command("POST", "/api/update/url", { url: byId("url").value, force: byId("force").checked })) byId("url-form").reset();
});

byId("policy").addEventListener("change", () => {
  policyTouched = true;
  byId("window-row").hidden = byId("policy").value !== "window";
});
byId("window").addEventListener("input", () => { policyTouched = true; });
byId("policy-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await command("PUT", "/api/update/policy", { policy: byId("policy").value, window: byId("window").value })) policyTouched = false;
});

byId("reboot").addEventListener("click", async () => {
  if (await ask("Restart the device?", "The program stops and the outputs go to their safe state until it runs again.", "Restart")) {
    await command("POST", "/api/update/reboot");
  }
});
byId("rollback").addEventListener("click", async () => {
  if (await ask("Go back to the version before?", "An update that waits is not tried; otherwise the next restart starts the other slot.", "Go back")) {
    await command("POST", "/api/update/rollback");
  }
});

async function watch() {
  for (;;) {
    try {
      await follow("/api/update/stream", undefined, (event, data) => {
        if (event === "missing") notice(data.message);
        else {
          if (byId("notice").dataset.lost) { delete byId("notice").dataset.lost; notice(""); }
          show(data);
        }
      });
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return;
      byId("notice").dataset.lost = "yes";
      notice(reason(error));
    }
    await new Promise((go) => { setTimeout(go, 2000); });
  }
}

async function open() {
  if (!token()) { strangers(); return; }
  const user = await request("GET", "/api/whoami");
  byId("who").textContent = `${user.username} (${user.role})`;
  mayChange = user.role === "admin";
  byId("install").hidden = !mayChange;
  byId("actions").hidden = !mayChange;
  byId("policy").disabled = !mayChange;
  byId("window").disabled = !mayChange;
  byId("policy-submit").hidden = !mayChange;
  byId("board").hidden = false;
  await watch();
}

whenLost(strangers);
open().catch((error) => notice(reason(error)));
