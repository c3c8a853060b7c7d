import type { ReferencePage } from "./reference-page.ts";

/** Rules about single instructions. */
export const instructionPages: readonly ReferencePage[] = [
  {
    name: "JSONArgsRecommended",
    severity: "warning",
    what: "CMD or ENTRYPOINT in shell form.",
    why: "A shell then runs as process 1 and passes no signal on: `docker stop` waits ten seconds and kills. With SHELL set on purpose the rule is silent.",
    bad: "FROM debian:bookworm\nCMD app --serve\n",
    good: 'FROM debian:bookworm\nCMD ["app", "--serve"]\n',
  },
  {
    name: "MultipleInstructionsDisallowed",
    severity: "warning",
    what: "A stage has several CMDs, ENTRYPOINTs or HEALTHCHECKs.",
    why: "Only the last one counts; the others mislead.",
    bad: 'FROM debian:bookworm\nCMD ["a"]\nCMD ["b"]\n',
    good: 'FROM debian:bookworm\nCMD ["b"]\n',
  },
  {
    name: "UndefinedVar",
    severity: "warning",
    what: "An instruction uses a variable that nothing sets: no ENV, no ARG of the stage, no base image.",
    why: "It is empty. Most often it is misspelled, or its ARG stands before the first FROM or in another stage and must be declared again.",
    bad: "FROM debian:bookworm\nARG VERSION=1\nCOPY app-$VERSIN /app\n",
    good: "FROM debian:bookworm\nARG VERSION=1\nCOPY app-$VERSION /app\n",
  },
  {
    name: "WorkdirRelativePath",
    severity: "warning",
    what: "The first WORKDIR of a stage is relative.",
    why: "It depends on the WORKDIR of the base image, which may change with its next version.",
    bad: "FROM debian:bookworm\nWORKDIR app\n",
    good: "FROM debian:bookworm\nWORKDIR /app\n",
  },
  {
    name: "SecretsUsedInArgOrEnv",
    severity: "warning",
    what: "An ARG or ENV has the name of a secret (`PASSWORD`, `NPM_TOKEN`, `API_KEY` …), or of one that `--secret` gives to the build.",
    why: "Values of ENV are in the image's config, those of ARG in its history. A secret mount leaves no trace.",
    bad: "FROM debian:bookworm\nARG NPM_TOKEN\n",
    good: "FROM debian:bookworm\nRUN --mount=type=secret,id=npm,env=NPM_AUTH npm ci\n",
  },
  {
    name: "CopyIgnoredFile",
    severity: "warning",
    what: "COPY or ADD of a file that the ignore file leaves out.",
    why: "It is not in the context, so the step fails, or copies less than it says.",
    bad: "# with a .dockerignore that has: secrets\nFROM debian:bookworm\nCOPY secrets /secrets\n",
    good: "# with a .dockerignore that has: secrets\nFROM debian:bookworm\nCOPY public /public\n",
  },
  {
    name: "ExposeInvalidFormat",
    severity: "warning",
    what: "EXPOSE with an address or a port of the host.",
    why: "EXPOSE says which ports the program listens on. Where they are published is decided when the container is run.",
    bad: "FROM debian:bookworm\nEXPOSE 127.0.0.1:80:80\n",
    good: "FROM debian:bookworm\nEXPOSE 80\n",
  },
];
