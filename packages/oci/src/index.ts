export {
  familiarName,
  formatReference,
  type ImageName,
  type ImageReference,
  parseReference,
} from "./reference.ts";
export {
  type ContainerConfig,
  type Descriptor,
  type DescriptorPlatform,
  type Healthcheck,
  type HistoryEntry,
  type ImageConfig,
  type Index,
  type Manifest,
  mediaTypes,
} from "./types.ts";
