/** Makes the user of the vitest project `rootless` for the time of its tests. */

import type { TestProject } from "vitest/node";
import { missing, run, runOk } from "./world.ts";

export default async function makeUser(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const name = project.config.env["TSBUILD_TEST_USER"] ?? "";
  /* The tests find the same missing and say so themselves. */
  if (missing("useradd", "userdel", "setpriv", "newuidmap", "newgidmap") !== undefined) return undefined;
  await runOk("useradd", ["--no-create-home", "--home-dir", "/nonexistent", name]);
  return async () => {
    await run("userdel", ["--force", name]);
  };
}
