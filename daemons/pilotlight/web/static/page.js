// SPDX-License-Identifier: Apache-2.0
// The status page: claim or log in, then state, statistics, commands and log.

import { ask } from "./dialog.js";
import { dropToken, keepToken, Refused, request, token, whenLost } from "./session.js";
import { startTags, stopTags } from "./tags.js";

const LOG_LINES = 500;
const byId = (id) => document.getElementById(id);
const pause = (ms) => new Promise((go) => { setTimeout(go, ms); });
let claiming = false;
let nextLog = 0;
let shown = 0;
let noticeUntil = 0;

/** Shows a sentence; `seconds` keeps it there although all goes well afterwards. */
function notice(text, seconds = 0) {
  if (!text && Date.now() < noticeUntil) return;
  noticeUntil = Date.now() + seconds * 1000;
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

async function enter(message = "") {
  shown += 1;
  stopTags();
  byId("board").hidden = true;
  byId("logout").hidden = true;
  byId("who").textContent = "";
  claiming = false;
  try {
    claiming = !(await request("GET", "/api/claimed")).claimed;
    notice("");
  } catch (error) {
    notice(reason(error));
  }
  byId("entry-title").textContent = claiming ? "Claim this device" : "Log in";
  byId("entry-text").textContent = claiming
    ? "This device has no user yet. The first one becomes its administrator." : message;
  byId("entry-submit").textContent = claiming ? "Claim" : "Log in";
  byId("repeat-row").hidden = !claiming;
  byId("repeat").required = claiming;
  byId("password").autocomplete = claiming ? "new-password" : "current-password";
  byId("entry-error").textContent = "";
  byId("entry").hidden = false;
  byId("username").focus();
}

function reason(error) {
  return error instanceof Refused ? error.message : "The device does not answer. Is it on, and on this network?";
}

byId("entry-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const username = byId("username").value;
  const password = byId("password").value;
  const submit = byId("entry-submit");
  byId("entry-error").textContent = "";
  if (claiming && password !== byId("repeat").value) {
    byId("entry-error").textContent = "The two passwords differ.";
    byId("repeat").focus();
    return;
  }
  submit.disabled = true;
  try {
    if (claiming) await request("POST", "/api/create-user", { body: { username, password } });
    const answer = await request("POST", "/api/login", { body: { username, password }, seconds: 60 });
    keepToken(answer.access_token);
    for (const id of ["password", "repeat"]) byId(id).value = "";
    await open();
  } catch (error) {
    byId("entry-error").textContent = reason(error);
    byId("password").focus();
  } finally {
    submit.disabled = false;
  }
});

byId("logout").addEventListener("click", async () => {
  shown += 1;
  stopTags(); // first, or what the page still asks for would be refused
  await request("POST", "/api/logout").catch(() => {});
  dropToken();
  await enter("You are logged out.");
});

async function open() {
  const user = await request("GET", "/api/whoami");
  byId("entry").hidden = true;
  byId("board").hidden = false;
  byId("logout").hidden = false;
  byId("who").textContent = `${user.username} (${user.role})`;
  byId("actions").hidden = user.role === "viewer";
  byId("history").dataset.mayActivate = user.role !== "viewer";
  byId("log").replaceChildren();
  nextLog = 0;
  shown += 1;
  request("GET", "/api/device-info").then((device) => {
    byId("device").textContent = device.hostname;
    document.title = `${device.hostname} – Pilotlight`;
  }).catch(() => {});
  repeat(shown, 1000, refresh);
  repeat(shown, 2000, readLog);
  startTags();
}

/** Calls `action` again and again while this view is shown and the tab can be seen. */
async function repeat(view, ms, action) {
  while (view === shown) {
    if (!document.hidden) {
      try {
        await action();
        if (view === shown) notice("");
      } catch (error) {
        if (view === shown) notice(reason(error));
      }
    }
    await pause(ms);
  }
}

const LOOK = { RUNNING: "good", STOPPED: "warn", EMPTY: "warn", INIT: "warn", ERROR: "bad" };

async function refresh() {
  const now = await request("GET", "/api/overview");
  const word = now.runtime ? now.state : "NO ANSWER";
  byId("state").className = `state ${now.runtime ? LOOK[now.state] ?? "" : "bad"}`;
  if (byId("state-word").textContent !== word) byId("state-word").textContent = word;
  const fault = now.runtime ? now.last_fault : now.message;
  byId("fault").hidden = !fault;
  byId("fault").textContent = fault ?? "";
  byId("forces").hidden = !now.forces;
  byId("forces").textContent = now.forces === 1 ? "1 variable is forced." : `${now.forces} variables are forced.`;
  byId("start").disabled = !now.runtime || now.state === "RUNNING" || now.state === "EMPTY";
  byId("stop").disabled = !now.runtime || now.state !== "RUNNING";
  if (!now.runtime) return;
  byId("program").textContent = now.program || "none";
  byId("identity").textContent = now.identity ? now.identity.slice(0, 12) : "–";
  byId("identity").title = now.identity ?? "";
  byId("build").textContent = (now.build ?? "–").toLowerCase();
  statistics(now.timing_stats);
}

function statistics(stats) {
  const number = (value) => (value === null || value === undefined ? "–" : value.toLocaleString());
  byId("scans").textContent = number(stats.scan_count);
  byId("overruns").textContent = number(stats.overruns);
  const more = stats.tasks[0];
  const lines = [["Scan", "scan_time"], ["Cycle", "cycle_time"], ["Latency", "cycle_latency"]];
  byId("scan-rows").replaceChildren(...lines.map(([title, key]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = title;
    row.append(head);
    for (const figure of ["min", "avg", "p99", "max"]) row.insertCell().textContent = number(more[`${key}_${figure}`]);
    return row;
  }));
}

async function readLog() {
  const level = byId("level").value;
  const query = new URLSearchParams({ id: nextLog, ...(level ? { level } : {}) });
  const records = (await request("GET", `/api/runtime-logs?${query}`))["runtime-logs"];
  if (!records.length) {
    if (nextLog > 0) await noticeRestart();
    return;
  }
  const list = byId("log");
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 30;
  list.append(...records.slice(-LOG_LINES).map((record) => {
    const line = document.createElement("li");
    const when = document.createElement("time");
    const moment = new Date(record.timestamp.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
    when.textContent = Number.isNaN(moment.getTime()) ? record.timestamp : moment.toLocaleTimeString(undefined, { hour12: false });
    when.dateTime = record.timestamp;
    line.className = record.level;
    line.append(when, `${record.level === "INFO" ? "" : `${record.level} `}${record.message.trimEnd()}`);
    return line;
  }));
  while (list.children.length > LOG_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
  nextLog = records[records.length - 1].id + 1;
}

/** Numbers begin anew when runtime does: then the whole log is read again. */
async function noticeRestart() {
  const newest = (await request("GET", `/api/runtime-logs?id=${nextLog - 1}`))["runtime-logs"];
  if (!newest.length) restartLog();
}

function restartLog() {
  nextLog = 0;
  byId("log").replaceChildren();
}

byId("level").addEventListener("change", () => { restartLog(); readLog().catch(() => {}); });

async function command(path) {
  try {
    const answer = await request("POST", path);
    if (answer.message) notice(answer.message, 8);
    await refresh();
  } catch (error) {
    notice(reason(error), 8);
  }
}

byId("start").addEventListener("click", async () => {
  if (await ask("Start the program?", "It will drive the outputs of this device.", "Start")) await command("/api/start-plc");
});
byId("stop").addEventListener("click", async () => {
  if (await ask("Stop the program?", "The outputs go to their safe state.", "Stop")) await command("/api/stop-plc");
});

byId("history").addEventListener("toggle", async () => {
  if (!byId("history").open) return;
  try {
    const { programs } = await request("GET", "/api/programs");
    byId("programs").replaceChildren(...programs.map(programLine));
    if (!programs.length) byId("programs").textContent = "None yet.";
  } catch (error) {
    byId("programs").textContent = reason(error);
  }
});

function programLine(program) {
  const line = document.createElement("li");
  const text = document.createElement("span");
  text.textContent = `${program.name} – ${program.active ? "active" : program.id}`;
  line.append(text);
  if (!program.active && byId("history").dataset.mayActivate === "true") {
    line.append(
      exchange(program, "Make active", "activate", "takes over between two scans, with its initial values."),
      exchange(program, "Change online", "change", "takes over between two scans, with the values of what both have."));
  }
  return line;
}

function exchange(program, label, path, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = label;
  button.setAttribute("aria-label", `${label}: ${program.name} ${program.id}`);
  button.addEventListener("click", async () => {
    if (!(await ask("Change the program?", `${program.name} ${text}`, "Change"))) return;
    await command(`/api/programs/${encodeURIComponent(program.id)}/${path}`);
    byId("history").dispatchEvent(new Event("toggle"));
  });
  return button;
}

whenLost(() => enter("Your session has ended. Log in again."));
if (token()) open().catch(() => enter());
else enter();
