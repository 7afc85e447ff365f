// Calls methods of OpenAI's SDK for Node: a line of JSON on standard input is a call, and one on
// standard output what came of it.
//
// node caller.mjs URL KEY
//
// A call is {name, path, members}: values of the parameters of the path by their names, and of the
// body or query. A file within is {$file: [name, text]}. What comes of it is {} or {code, message}.

import { File } from "node:buffer";
import { createInterface } from "node:readline";

import OpenAI, { toFile } from "openai";

import { isObject, methodsOf } from "./methods.mjs";

globalThis.File ??= File; // not global in Node 18

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, adminAPIKey: apiKey, maxRetries: 0 });
const methods = new Map([...methodsOf(client)].map((one) => [one.name, one]));

async function call({ name, path, members }) {
  const { resource, method, parameters } = methods.get(name);
  const named = Object.keys(path).filter((key) => !parameters.includes(key));
  const rest = { ...(await withFiles(members)), ...Object.fromEntries(named.map((key) => [key, path[key]])) };
  const given = parameters.map((key) => (isObject(key) ? rest : path[key]));
  const response = await method.apply(resource, given);
  if (response instanceof Response) await response.arrayBuffer();
}

async function withFiles(value) {
  if (Array.isArray(value)) return Promise.all(value.map(withFiles));
  if (value === null || typeof value !== "object") return value;
  if (value.$file) return toFile(Buffer.from(value.$file[1]), value.$file[0]);
  const members = Object.entries(value).map(async ([key, one]) => [key, await withFiles(one)]);
  return Object.fromEntries(await Promise.all(members));
}

for await (const line of createInterface({ input: process.stdin })) {
  const outcome = await call(JSON.parse(line)).then(
    () => ({}),
    (error) => ({ code: error.code ?? null, message: `${error}` }),
  );
  console.log(JSON.stringify(outcome));
}
