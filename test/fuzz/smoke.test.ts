import { type DockerfileAst, format, parse } from "@tsbuild/dockerfile";
import { describe, expect, test } from "vitest";
import { corpusSeeds, type Finding, runCampaign } from "./support/campaign.ts";
import { realSubject, type Subject } from "./support/subject.ts";

const seeds = corpusSeeds();
if (seeds.length === 0) console.log("the corpus is not there: generated Dockerfiles are the only seeds");

/** What was found, in a form that says how to find it again. */
function shown(finding: Finding | undefined): string {
  if (finding === undefined) return "nothing";
  const input = JSON.stringify(Buffer.from(finding.data).toString("utf8"));
  return `${finding.error.message} in round ${finding.round}: ${input}`;
}

describe("fuzzing", () => {
  test("finds nothing: a short run with a seed of the day", async () => {
    const seed = Math.floor(Date.now() / 86_400_000);
    console.log(`node test/fuzz/dockerfile.ts --seed ${seed} --rounds 1500`);
    expect(shown(await runCampaign({ seed, rounds: 1500, subject: realSubject, seeds }))).toBe("nothing");
  });

  test("is replayed by its seed and round", async () => {
    const subject = withParse((ast) => {
      if (ast.nodes.some((node) => node.flags.length > 1)) throw new RangeError("two flags");
    });
    const found = await runCampaign({ seed: 5, rounds: 1000, subject, seeds });
    const again = await runCampaign({ seed: 5, first: found!.round, rounds: 1, subject, seeds });
    expect(shown(again)).toBe(shown(found));
  });
});

/** The real parser with something wrong afterwards. */
function withParse(spoil: (ast: DockerfileAst) => void): Subject {
  return {
    format,
    parse: (data, options) => {
      const ast = parse(data, options);
      spoil(ast);
      return ast;
    },
  };
}

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end) Math.sqrt(end);
}

/** Parsers that are wrong in one way each: the fuzzers are worth something if they find them all. */
const CANARIES: readonly { readonly name: string; readonly finds: RegExp; readonly subject: Subject }[] = [
  {
    name: "a crash at a heredoc with tabs whose name is quoted",
    finds: /canary/,
    subject: withParse((ast) => {
      const bodies = ast.nodes.flatMap((node) => node.heredocs);
      if (bodies.some(({ chomp, expand }) => chomp && !expand)) throw new TypeError("canary");
    }),
  },
  {
    name: "a stack that is exhausted by ONBUILD ONBUILD",
    finds: /call stack/,
    subject: withParse((ast) => {
      const dive = (): number => 1 + dive();
      if (ast.nodes.some((node) => node.trigger?.trigger !== undefined)) dive();
    }),
  },
  {
    name: "time that a long run of one character takes",
    finds: /ms of processor time/,
    subject: withParse((ast) => {
      const longest = Math.max(0, ...Array.from(ast.text.matchAll(/(.)\1+/gs), ([run]) => run.length));
      if (longest > 30) spin(1000 + ast.text.length / 20);
    }),
  },
  {
    name: "a printer that forgets the byte order mark",
    finds: /printing gives back the bytes/,
    subject: withParse((ast) => {
      Object.assign(ast, { original: ast.text });
    }),
  },
  {
    name: "a formatter that is not done after the first time",
    finds: /formatting twice/,
    subject: {
      parse,
      format: (data, options) => format(data, options).replace(/^(HEALTHCHECK) (.*NONE)$/m, "$1  $2"),
    },
  },
];

describe("canaries are found", () => {
  test.each(CANARIES)("$name", async ({ finds, subject }) => {
    const found = await runCampaign({ seed: 7, rounds: 20_000, subject, seeds: [] });
    expect(shown(found)).toMatch(finds);
  });
});
