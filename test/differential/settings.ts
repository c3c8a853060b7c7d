/** Instructions that change the config alone. */
import type { Random } from "../fuzz/support/random.ts";
import { assignment, value } from "./values.ts";

type Maker = (random: Random) => string;

const env: Maker = (random) =>
  random.chance(0.85)
    ? `ENV ${random.many(1, 2, () => assignment(random)).join(" ")}`
    : `ENV K  ${value(random)}  ${value(random)} `;

const label: Maker = (random) => {
  const name = random.pick(["l1", "l2", '"k k"', "n.o", "$A"]);
  return random.chance(0.9) ? `LABEL ${name}=${value(random)}` : `LABEL old ${value(random)}`;
};

const arg: Maker = (random) => `ARG ${assignment(random).replaceAll(" ", "_")}`;

const workdir: Maker = (random) =>
  `WORKDIR ${random.pick(["/w", "rel", "rel/$A", "/w/../v", "$D", "..", ".", "/q/", "'/q q'", '"/dq"'])}`;

const user: Maker = (random) =>
  `USER ${random.pick(["nobody", "1000", "1000:1000", "root", "nobody:nogroup", "$U"])}`;

const command: Maker = (random) => {
  const name = random.pick(["CMD", "ENTRYPOINT"]);
  return `${name} ${random.pick(["echo $A", '["a", "$A"]', "[]", '["a",]', ' ["sp" ] ', "'x'", `exec e ${value(random)}`])}`;
};

const FIXED = [
  ...["EXPOSE 80", "EXPOSE 80/udp 90", "EXPOSE 8000-8002/tcp", "EXPOSE $B", "EXPOSE 80:90"],
  ...["VOLUME /v", 'VOLUME ["/v1", "/v2"]', "VOLUME /dst $A"],
  ...["STOPSIGNAL SIGUSR1", "STOPSIGNAL 9", "STOPSIGNAL $A", "MAINTAINER Me <m@x>"],
  ...["HEALTHCHECK NONE", "HEALTHCHECK --interval=1m30s --retries=3 CMD true", 'HEALTHCHECK CMD ["a", "b"]'],
  ...["HEALTHCHECK --start-interval=1s --timeout=1m CMD x $A", "HEALTHCHECK --start-period=1ms CMD a"],
  ...['SHELL ["/bin/sh", "-ec"]', 'SHELL ["/bin/ash", "-c"]'],
  ...["ONBUILD ENV OB=$A", "ONBUILD LABEL a=$A", "ONBUILD USER 1000", "ONBUILD RUN echo on > /onb"],
  'ENV C1=a \\\n  C2=$A \\\n# comment\n\n  C3="x \\\n y"',
];

const fixed: Maker = (random) => random.pick(FIXED);

/** One instruction that makes no layer, but for WORKDIR's folder. */
export function setting(random: Random): string {
  return random.pick([env, env, label, arg, workdir, user, command, fixed, fixed])(random);
}
