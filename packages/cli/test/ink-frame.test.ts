import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startInk } from "../src/progress/ink-frame.ts";
import { TtyView } from "../src/progress/tty-view.ts";
import { digest, on } from "./events.ts";
import { FakeStream, fakeWorld } from "./fake-io.ts";

/** Frames that ink writes whole in debug mode. */
test("ink shows what retired above the frame", async () => {
  const stream = new FakeStream({ isTTY: true });
  const painter = await startInk(stream, { debug: true });
  painter.draw({ retired: [], lines: ["[+] Building", " » \x1b[32mone\x1b[39m"] });
  expect(stream.text).toBe("[+] Building\n » \x1b[32mone\x1b[39m");
  stream.text = "";
  painter.draw({ retired: ["✓ one"], lines: ["[+] Building", "", "x".repeat(200)] });
  // Ink draws twice when something retires: with it, and once it stands above. Neither doubles it.
  const last = stream.text.slice(stream.text.lastIndexOf("✓ one"));
  expect(last).toMatch(/^✓ one\n\[\+\] Building\n *\nx{79}…/);
  expect(last.match(/one/g)?.length).toBe(1);
  await painter.close();
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a build of milliseconds is its summary alone, without cursor movement", async () => {
  const world = fakeWorld({ stderrIsTTY: true });
  const view = new TtyView(world);
  for (const event of [on.begin(), on.start(0, "a"), on.cached(0, "a"), on.end(20)]) view.onEvent(event);
  await view.finish({ result: { imageId: digest("x") as never, names: [] } });
  expect(world.stderr.text.replace(/\x1b\[\d+m/g, "")).toBe(
    ` = a${" ".repeat(69)}cached\n[+] Built in 20ms: 1 cached\n    image ${digest("x")}\n`,
  );
});

test("NO_COLOR, and the locale's characters", async () => {
  const world = fakeWorld({ stderrIsTTY: true, env: { NO_COLOR: "1", LANG: "C" } });
  const view = new TtyView(world);
  for (const event of [on.begin(), on.start(0, "a"), on.done(0, "a"), on.end(20)]) view.onEvent(event);
  await view.finish({ result: { names: [] } });
  expect(world.stderr.text).toBe(` + a${" ".repeat(71)}0.0s\n[+] Built in 20ms: 1 rebuilt\n`);
});
