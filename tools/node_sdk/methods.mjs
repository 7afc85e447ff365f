// Every method of OpenAI's SDK for Node that sends a request, found by walking its client.
//
// node methods.mjs    prints them: name, verb and path, as methods.txt has them

import { fileURLToPath } from "node:url";

import OpenAI from "openai";

const SENDS = /this\._client\s*\.(get|post|put|patch|delete|getAPIList)\(/;
const OBJECTS = new Set(["body", "params", "query"]);

// All methods of a client: {name, resource, method, parameters}.
export function* methodsOf(client, resource = client, before = "") {
  for (const [name, value] of Object.entries(resource)) {
    if (value?._client === client) yield* methodsOf(client, value, `${before}${name}.`);
  }
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    const method = resource[name];
    if (name === "constructor" || typeof method !== "function") continue;
    if (!SENDS.test(method.toString())) continue;
    yield { name: before + name, resource, method, parameters: parametersOf(method) };
  }
}

// Whether a parameter is an object, whose members are the body or what is left of the path.
export function isObject(parameter) {
  return OBJECTS.has(parameter);
}

function parametersOf(method) {
  const [, list] = method.toString().match(/^(?:async )?\w+\(([^)]*)\)/);
  const names = list.split(",").map((one) => one.trim().split(" ")[0]);
  return names.filter((name) => name && name !== "options");
}

// The request that a method would send, with the names of parameters in its path.
function requestOf({ resource, method, parameters }) {
  const members = new Proxy({}, { get: (_, name) => `{${String(name)}}` });
  let sent;
  const note = (verb, path, options) => {
    options?.catch?.(() => {}); // a form without its files
    sent = `${verb.toUpperCase()} ${decodeURIComponent(path).split("?")[0]}`;
  };
  const witness = { fetch, getAPIList: (path, _, options) => note(options?.method ?? "get", path) };
  for (const verb of ["get", "post", "put", "patch", "delete"]) {
    witness[verb] = (path, options) => note(verb, path, options);
  }
  const stand = Object.create(resource, { _client: { value: witness } });
  try {
    method.apply(stand, parameters.map((name) => (isObject(name) ? members : `{${name}}`)));
  } catch (error) {
    if (!sent) throw error; // else it is about the response that there is none of
  }
  return sent;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const client = new OpenAI({ apiKey: "none", adminAPIKey: "none" });
  const lines = [...methodsOf(client)].map((one) => `${one.name} ${requestOf(one)}`);
  console.log(lines.sort().join("\n"));
}
