import { expect, test } from "vitest";
import { downloadLogin } from "../src/source/login.ts";

function login(url: string, secrets: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
  return downloadLogin(url, {
    secret: async (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id])),
    ssh: async () => undefined,
    knownHosts: undefined,
  });
}

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

test.each([
  ["http://h/f", undefined],
  ["http://me:p%40ss@h/f", basic("me:p@ss")],
  ["http://token@h/f", basic("token:")],
  ["http://me:100%@h/f", basic("me:100%")],
])("the user and password in %s log in (D111)", async (url, header) => {
  expect(await login(url)).toBe(header);
});

test("a secret for the host comes before what is in the URL", async () => {
  expect(await login("http://me:pw@h:80/f", { HTTP_AUTH_TOKEN_h: "t" })).toBe("Bearer t");
});
