/**
 * Fuzzes everything that reads a Dockerfile: `node test/fuzz/dockerfile.ts [--seed N] [--first N] [--rounds N]`. Prints
 * its seed; a finding is printed shrunk, with the command that replays it, and the exit status is 1.
 */
import { parseArgs } from "node:util";
import { corpusSeeds, runCampaign } from "./support/campaign.ts";
import { realSubject } from "./support/subject.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    first: { type: "string", default: "0" },
    rounds: { type: "string", default: "10000" },
  },
});
const [seed, first, rounds] = [Number(values.seed), Number(values.first), Number(values.rounds)];
const seeds = corpusSeeds();
console.log(
  `--seed ${seed} --first ${first} --rounds ${rounds}, ${seeds.length} files of the corpus as seeds`,
);
const started = performance.now();
const finding = await runCampaign({ seed, first, rounds, subject: realSubject, seeds });
if (finding === undefined) {
  console.log(`${rounds} inputs, nothing found, ${Math.round(performance.now() - started)} ms`);
} else {
  console.log(`round ${finding.round} (${finding.kind}): ${finding.error.stack}`);
  console.log(`input: ${JSON.stringify(Buffer.from(finding.data).toString("utf8")).slice(0, 5000)}`);
  console.log(`replay: node test/fuzz/dockerfile.ts --seed ${seed} --first ${finding.round} --rounds 1`);
  process.exitCode = 1;
}
