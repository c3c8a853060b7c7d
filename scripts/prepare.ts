/**
 * Builds what an install has to leave behind: the sandbox program, the file-system addon and the bundled command. Each part is skipped when it is newer than its sources, so that it costs nothing when there is nothing to do.
 */
import { buildFs } from "../native/fs/build.ts";
import { buildSandbox } from "../native/sandbox/build.ts";
import { buildSettle } from "../native/settle/build.ts";
import { buildStart } from "../native/start/build.ts";
import { buildUserns } from "../native/userns/build.ts";
import { bundle } from "./bundle.ts";
import { writeNodeAnew } from "./node-pages.ts";

const force = process.argv.includes("--force");

buildSandbox(undefined, { force });
buildUserns(undefined, { force });
buildStart(undefined, { force });
buildSettle(undefined, { force });
await buildFs();
await bundle();
writeNodeAnew();
