/** The entry of worker threads when the whole program is one file: that file's main calls it in any thread but the first. */
export { runLayerWorker as runWorker } from "@tsbuild/oci";
