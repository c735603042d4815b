// SPDX-License-Identifier: Apache-2.0
// Requests to the device, with the token of this browser tab.

const KEY = "pilotlight-token";
let lost = () => {};

export const token = () => sessionStorage.getItem(KEY);
export const keepToken = (text) => sessionStorage.setItem(KEY, text);
export const dropToken = () => sessionStorage.removeItem(KEY);
/** What to do when the device no longer accepts the token. */
export const whenLost = (action) => { lost = action; };

export class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

export async function request(method, path, { body, seconds = 15 } = {}) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers, cache: "no-store", credentials: "omit",
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(seconds * 1000),
  });
  const content = await response.json().catch(() => null);
  if (response.ok) return content;
  if (response.status === 401 && token()) { dropToken(); lost(); }
  throw new Refused(response.status, typeof content === "string" ? content : content?.msg ?? `The device answered ${response.status}.`);
}

/** Server-sent events of a path that needs the token; `each(event, data)` for each. Ends when the stream does. */
export async function follow(path, signal, each) {
  const response = await fetch(path, { headers: { Authorization: `Bearer ${token()}` }, cache: "no-store", signal });
  if (!response.ok) {
    const content = await response.json().catch(() => null);
    if (response.status === 401) { dropToken(); lost(); }
    throw new Refused(response.status, content?.msg ?? `The device answered ${response.status}.`);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    pending += value;
    const blocks = pending.split("\n\n");
    pending = blocks.pop();
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (lines.event) each(lines.event, JSON.parse(lines.data));
    }
  }
}
