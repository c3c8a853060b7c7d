/** What a registry may name as its token server: nothing that only this machine reaches, nothing that is no server. */
import { expect, test } from "vitest";
import { fetchToken } from "../src/tokens.ts";

async function ask(registryUrl: string, realm: string, withPassword = false): Promise<string> {
  const asked: string[] = [];
  const request = {
    what: "pull of evil/image",
    challenge: { scheme: "bearer", parameters: { realm } },
    scopes: ["repository:evil/image:pull"],
    credential: withPassword ? ({ type: "password", username: "u", password: "secret" } as const) : undefined,
    registryUrl,
    allowsPlain: () => false,
  };
  const answer = fetchToken(request, async ({ url }) => {
    asked.push(new URL(url).origin);
    return { status: 200, text: '{"token":"t"}' };
  });
  return answer.then(
    () => `asked ${asked.join(" ")}`,
    (error: Error) => `${asked.length} asked: ${error.message}`,
  );
}

test.each([
  "http://127.0.0.1:8080/latest",
  "http://localhost/x",
  "https://a.localhost/x",
  "http://[::1]/x",
  "http://2130706433/x",
  "http://0x7f.1/x",
  "http://127.1/x",
  "http://0/x",
  "http://[::]/x",
  "http://[::ffff:127.0.0.1]/x",
  "http://169.254.169.254/latest/meta-data/",
  "http://[::ffff:169.254.169.254]/x",
  "http://[fe80::1]/x",
  "https://127.0.0.1/x",
])("a registry elsewhere cannot have this machine asked: %s", async (realm) => {
  expect(await ask("https://registry.example/v2/", realm)).toMatch(
    /^0 asked: .* that only this machine can reach/,
  );
  expect(await ask("https://registry.example/v2/", realm, true)).toMatch(
    /^0 asked: .* that only this machine can reach/,
  );
});

test.each(["file:///etc/passwd", "data:,x", "javascript:1", "ftp://x/", "//x/", "", "gopher://x/"])(
  "a realm that is no server is refused: %s",
  async (realm) => {
    expect(await ask("https://registry.example/v2/", realm)).toMatch(/^0 asked: .* names no token server/);
  },
);

test("servers elsewhere are asked, those of this machine for registries of this machine; no password goes in clear", async () => {
  expect(await ask("https://registry.example/v2/", "https://auth.example/token")).toBe(
    "asked https://auth.example",
  );
  expect(await ask("http://localhost:5000/v2/", "http://127.0.0.1:5001/token")).toBe(
    "asked http://127.0.0.1:5001",
  );
  expect(await ask("https://169.254.1.1/v2/", "https://169.254.1.1/token")).toBe("asked https://169.254.1.1");
  expect(await ask("https://registry.example/v2/", "http://auth.example/token", true)).toMatch(
    /^0 asked: .*password sent in clear/,
  );
});
