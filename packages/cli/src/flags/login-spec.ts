import { registryFlags } from "./build-spec.ts";
import type { CommandSpec } from "./spec.ts";

export const loginSpec: CommandSpec = {
  name: "login",
  usage: "[flags] [HOST[:PORT]]",
  summary: "Keep the password of a registry, after the registry has accepted it",
  description: [
    "Kept where docker keeps it: $DOCKER_CONFIG/config.json (default ~/.docker), or the credential helper which",
    "that file names. Without HOST it is Docker Hub.",
  ],
  flags: [
    { name: "username", short: "u", value: "USER", group: "Login", text: "Name of the user" },
    { name: "password-stdin", group: "Login", text: "Read the password from standard input" },
    ...registryFlags,
  ],
  examples: [
    { command: "tsbuild login -u me --password-stdin registry.example.com < token.txt", text: "" },
    { command: "pass show hub | tsbuild login -u me --password-stdin", text: "Docker Hub" },
  ],
};

export const logoutSpec: CommandSpec = {
  name: "logout",
  usage: "[HOST[:PORT]]",
  summary: "Forget the password of a registry",
  flags: [],
  examples: [{ command: "tsbuild logout registry.example.com", text: "" }],
};
