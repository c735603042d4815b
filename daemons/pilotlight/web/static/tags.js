// SPDX-License-Identifier: Apache-2.0
// The table of live tags: what matches the search, kept up to date by the stream of changes.

import { follow, request, Refused } from "./session.js";

const LIMIT = 200;
const byId = (id) => document.getElementById(id);
const rows = new Map();
let stream = null;
let typing = 0;

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** A value as a person reads it; 64-bit numbers arrive as text. */
export function show(type, value) {
  if (type === "BOOL") return value ? "TRUE" : "FALSE";
  if (type === "TIME") return `${Number(value) / 1e9} s`;
  if (type === "TOD") {
    const ms = Number(BigInt(value) / 1000000n);
    return `${pad(Math.floor(ms / 3600000))}:${pad(Math.floor(ms / 60000) % 60)}:${pad(Math.floor(ms / 1000) % 60)}.${pad(ms % 1000, 3)}`;
  }
  if (type === "DATE" || type === "DT") {
    const moment = new Date(Number(BigInt(value) / 1000000n));
    if (Number.isNaN(moment.getTime())) return `${value} ns`;
    return type === "DATE" ? moment.toISOString().slice(0, 10) : moment.toISOString().replace("T", " ").slice(0, 23);
  }
  if (type === "STRING" || type === "CHAR") return JSON.stringify(value);
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(7)));
  return String(value);
}

function fill(row, tag) {
  const [, value, , quality, changed] = row.cells;
  const unit = row.dataset.unit ? ` ${row.dataset.unit}` : "";
  value.textContent = show(row.dataset.type, tag.value) + unit;
  value.classList.toggle("on", row.dataset.type === "BOOL" && tag.value === true);
  quality.textContent = tag.quality.toLowerCase();
  quality.classList.toggle("poor", tag.quality !== "GOOD");
  changed.textContent = tag.changed ? new Date(tag.changed).toLocaleTimeString(undefined, { hour12: false }) : "–";
}

function build(tags, total) {
  rows.clear();
  const body = byId("tags-rows");
  body.replaceChildren(...tags.map((tag) => {
    const row = document.createElement("tr");
    for (let cell = 0; cell < 5; cell += 1) row.insertCell();
    row.dataset.type = tag.type;
    row.dataset.unit = tag.unit;
    row.cells[0].textContent = tag.name;
    if (tag.description) row.cells[0].title = tag.description;
    row.cells[2].textContent = tag.type;
    row.cells[2].classList.add("extra");
    row.cells[4].classList.add("extra");
    fill(row, tag);
    rows.set(tag.index, row);
    return row;
  }));
  byId("tags-count").textContent = total > tags.length ? `${tags.length} of ${total}: search to narrow down` : `${total} ${total === 1 ? "tag" : "tags"}`;
}

function update(changes) {
  for (const change of changes) {
    const row = rows.get(change.index);
    if (!row) continue;
    fill(row, change);
    row.classList.remove("flash");
    void row.offsetWidth;
    row.classList.add("flash");
  }
}

function absent(message) {
  rows.clear();
  byId("tags-rows").replaceChildren();
  byId("tags-count").textContent = message;
}

async function watch() {
  stopTags();
  const mine = new AbortController();
  stream = mine;
  const query = new URLSearchParams({ segment: byId("segment").value || "plc", search: byId("search").value, limit: LIMIT });
  while (!mine.signal.aborted) {
    try {
      await follow(`/api/tags/stream?${query}`, mine.signal, (event, data) => {
        if (mine.signal.aborted) return;
        if (event === "tags") build(data.tags, data.total);
        else if (event === "changes") update(data.changes);
        else if (event === "missing") absent(data.message);
      });
    } catch (error) {
      if (mine.signal.aborted || (error instanceof Refused && error.status === 401)) return;
      absent(error instanceof Refused ? error.message : "The device does not answer; trying again.");
    }
    await new Promise((go) => { setTimeout(go, 2000); });
  }
}

async function listSegments() {
  const { segments } = await request("GET", "/api/segments");
  const names = segments.length ? segments : ["plc"];
  const select = byId("segment");
  const chosen = select.value || (names.includes("plc") ? "plc" : names[0]);
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

export async function startTags() {
  stopTags();
  const mine = new AbortController();
  stream = mine;
  await listSegments().catch(() => {});
  if (!mine.signal.aborted) await watch();
}

export function stopTags() { stream?.abort(); }

byId("segment").addEventListener("change", watch);
byId("segment").addEventListener("focus", () => listSegments().catch(() => {}));
byId("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(watch, 250); });
byId("tags-form").addEventListener("submit", (event) => { event.preventDefault(); watch(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && !byId("board").hidden) {
    event.preventDefault();
    byId("search").focus();
  }
});
