import type {
  ExposeInstruction,
  MaintainerInstruction,
  StopsignalInstruction,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from "../instruction.ts";
import { trimSpace } from "../space.ts";
import { readFlags } from "./flags.ts";
import { base, fail, oneArg, type Reading, someArgs } from "./reading.ts";

// Instructions that only set something in the image config.

export function readMaintainer(reading: Reading): MaintainerInstruction {
  const maintainer = oneArg(reading, 'LABEL org.opencontainers.image.authors="name"');
  readFlags(reading, {});
  return { ...base(reading, "maintainer"), maintainer };
}

/** The words are expanded and split again later (FEATURES D041, D120). */
export function readExpose(reading: Reading): ExposeInstruction {
  const ports = someArgs(reading, "EXPOSE 80/tcp").map((arg) => arg.text);
  readFlags(reading, {});
  return { ...base(reading, "expose"), ports: ports.sort() };
}

export function readUser(reading: Reading): UserInstruction {
  const user = oneArg(reading, "USER nobody");
  readFlags(reading, {});
  return { ...base(reading, "user"), user };
}

export function readWorkdir(reading: Reading): WorkdirInstruction {
  const path = oneArg(reading, "WORKDIR /src");
  readFlags(reading, {});
  return { ...base(reading, "workdir"), path };
}

export function readVolume(reading: Reading): VolumeInstruction {
  const args = someArgs(reading, "VOLUME /data");
  readFlags(reading, {});
  const volumes = args.map((arg) => {
    const volume = trimSpace(arg.text);
    if (volume === "") throw fail(reading, "a VOLUME cannot have an empty path", undefined, arg);
    return volume;
  });
  return { ...base(reading, "volume"), volumes };
}

/** Words that look like flags are passed over, as everyone does. */
export function readStopsignal(reading: Reading): StopsignalInstruction {
  return { ...base(reading, "stopsignal"), signal: oneArg(reading, "STOPSIGNAL SIGTERM") };
}
