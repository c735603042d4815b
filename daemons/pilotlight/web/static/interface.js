// SPDX-License-Identifier: Apache-2.0
// Renders the OpenAPI description of this device; works without any other machine.

const routes = document.getElementById("routes");
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
};

function typeOf(schema = {}) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.format ?? schema.type ?? "any";
}

function table(rows) {
  const found = make("table");
  const head = found.createTHead().insertRow();
  for (const title of ["Name", "In", "Type", "Meaning"]) {
    const cell = make("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = found.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const text of cells) row.insertCell().textContent = text;
  }
  const scroll = make("div", "", "scroll");
  scroll.append(found);
  return scroll;
}

function bodyRows(operation, schemas) {
  const content = operation.requestBody?.content ?? {};
  return Object.entries(content).flatMap(([media, { schema = {} }]) => {
    const whole = schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema;
    const place = media.startsWith("multipart/") ? "form" : "JSON";
    return Object.entries(whole?.properties ?? {}).map(([name, part]) => [name, place, typeOf(part), part.description ?? ""]);
  });
}

function card(path, method, operation, schemas) {
  const section = make("section", "", "card");
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), `method ${method.toUpperCase()}`), make("span", path, "mono"), make("span", operation.summary, "muted"), make("span", operation["x-role"], "role"));
  details.append(summary);
  if (operation.description) details.append(make("p", operation.description));
  const parameters = (operation.parameters ?? []).map((part) => [part.name, part.in, typeOf(part.schema), part.description ?? ""]);
  const rows = [...parameters, ...bodyRows(operation, schemas)];
  if (rows.length) details.append(table(rows));
  section.append(details);
  return section;
}

try {
  const response = await fetch("/api/openapi.json");
  const description = await response.json();
  document.getElementById("title").textContent = `${description.info.title} ${description.info.version}`;
  document.getElementById("about").textContent = description.info.description;
  const schemas = description.components?.schemas ?? {};
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(methods)) routes.append(card(path, method, operation, schemas));
  }
} catch {
  routes.append(make("p", "The device does not answer; reload the page.", "notice bad"));
}
