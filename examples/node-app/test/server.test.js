import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { server } from "../src/server.js";

async function answer(path, headers = {}) {
  const app = server().listen(0, "127.0.0.1");
  await once(app, "listening");
  const response = await fetch(`http://127.0.0.1:${app.address().port}${path}`, { headers });
  const text = await response.text();
  app.close();
  return text;
}

test("greets the world", async () => {
  assert.equal(await answer("/"), "Hello, world!\n");
});

test("greets by name, in the caller's language", async () => {
  assert.equal(await answer("/?name=Zo%C3%AB", { "accept-language": "fr-CH, fr;q=0.9" }), "Bonjour, Zoë!\n");
});
