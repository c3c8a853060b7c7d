import type { CommandSpec } from "./spec.ts";

export const imagetoolsSpec: CommandSpec = {
  name: "imagetools",
  usage: "[flags] inspect NAME | create -t NAME… SOURCE…",
  summary: "Images as registries have them: look at them, make one of several platforms out of several",
  description: [
    "inspect prints what a name stands for in its registry: digest, and of an index what it lists. create puts an",
    "index under the names: of everything that the sources stand for, each an image or an index in a registry. Of",
    "images for one platform the last counts. What the repository of a name does not have is copied into it. An",
    "index alone is copied byte for byte. The local store is left alone; tsbuild pull and push move images to and",
    "from it.",
  ],
  flags: [
    {
      name: "tag",
      short: "t",
      value: "NAME[:TAG]",
      repeat: true,
      group: "create",
      text: "Name for the index",
    },
    {
      name: "append",
      group: "create",
      text: "Keep what the first name stands for now, and add the sources to it",
    },
    {
      name: "annotation",
      value: "[SCOPE:]KEY=VALUE",
      repeat: true,
      group: "create",
      text: "SCOPE: index (the default), or manifest-descriptor, also for one platform: manifest-descriptor[linux/arm64]",
    },
    {
      name: "platform",
      value: "OS/ARCH",
      repeat: true,
      group: "create",
      text: "These platforms alone, separated by commas",
    },
    { name: "dry-run", group: "create", text: "Print the index and push nothing" },
    { name: "raw", group: "inspect", text: "The document byte for byte" },
    {
      name: "format",
      value: "json|TEMPLATE",
      group: "inspect",
      text: "json, or a template: .Name, and .Manifest with mediaType, digest, size, manifests, annotations …",
    },
    {
      name: "insecure-registry",
      value: "HOST[:PORT]",
      repeat: true,
      group: "Registry",
      text: "Do not check this registry's certificate, and speak plain HTTP where it has no TLS",
    },
  ],
  examples: [
    {
      command: "tsbuild imagetools create -t r.example/app:1 r.example/app:1-amd64 r.example/app:1-arm64",
      text: "",
    },
    { command: "tsbuild imagetools inspect --raw debian:bookworm", text: "" },
  ],
};
