/** The formatter alone, for `tsbuild fmt`: nothing of the engine is loaded with it. */
export { format } from "@tsbuild/dockerfile";
