import { LayerWorkers } from "@tsbuild/oci";

let shared: LayerWorkers | undefined;

/** One pool for all exports of the process: its threads do not keep the process alive, so nobody has to close it. */
export function sharedWorkers(): LayerWorkers {
  shared ??= new LayerWorkers();
  return shared;
}
