import { hostsFile, resolvConf, usesResolvedStub } from "@tsbuild/sandbox";
import { describe, expect, test } from "vitest";

test("hosts: loopback with the sandbox's name, then extra hosts", () => {
  const extra = [
    { host: "db", ip: "10.0.0.2" },
    { host: "six", ip: "fd00::1" },
  ];
  expect(hostsFile("buildkitsandbox", extra)).toBe(
    "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.2\tdb\nfd00::1\tsix\n",
  );
});

describe("resolv.conf", () => {
  const text = "# made by hand\nsearch lan\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 10.0.0.1\n";

  test("stays as it is with the host's network", () => {
    expect(resolvConf(text, { network: "host" })).toBe(text);
    expect(resolvConf("", { network: "host" })).toBe("\n");
  });

  test("loses servers on the host's loopback in a network of its own", () => {
    expect(resolvConf(text, { network: "none" })).toBe("# made by hand\nsearch lan\nnameserver 10.0.0.1\n");
  });

  test("falls back on public servers when none is left", () => {
    const made = resolvConf("nameserver 127.0.0.1\n", { network: "none" });
    expect(made).toMatch(/^nameserver 8\.8\.8\.8\nnameserver 8\.8\.4\.4\n/);
    expect(made).not.toContain("127.0.0.1");
  });

  test("a private network's forwarder stands in for servers on the host's loopback, not for none", () => {
    const forwarder = "10.0.2.3";
    const made = (host: string) => resolvConf(host, { network: "none", forwarder });
    expect(made("nameserver 127.0.0.1\nsearch lan\n")).toBe("search lan\nnameserver 10.0.2.3\n");
    expect(made("nameserver 10.0.0.1\nnameserver 127.0.0.1\n")).toBe("nameserver 10.0.0.1\n");
    expect(made("search lan\n")).toContain("nameserver 8.8.8.8\n");
  });

  test("configured servers, search domains and options replace the host's", () => {
    const dns = { nameservers: ["1.1.1.1"], searchDomains: ["a", "b"], options: ["ndots:2"] };
    expect(resolvConf(`domain x\noptions rotate\n${text}`, { network: "host", dns })).toBe(
      "# made by hand\nnameserver 1.1.1.1\nsearch a b\noptions ndots:2\n",
    );
  });

  test("tells systemd-resolved's stub, behind which the real servers are", () => {
    expect(usesResolvedStub("nameserver 127.0.0.53\noptions edns0\n")).toBe(true);
    expect(usesResolvedStub(text)).toBe(false);
    expect(usesResolvedStub("")).toBe(false);
  });
});
