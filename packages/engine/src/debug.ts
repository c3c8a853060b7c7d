/** Dumps, the rule catalogue and repairs: for commands that show what a Dockerfile means. */
export { dumpDockerfile } from "@tsbuild/dockerfile";
export { fixDiagnostics } from "@tsbuild/frontend";
export { CATALOGUE, type CatalogueRule, ruleSlug } from "@tsbuild/frontend/catalogue";
export {
  CannedImages,
  dumpBuild,
  dumpGraph,
  type GraphDump,
  requestOfOptions,
} from "@tsbuild/frontend/debug";
export { marshalGraph } from "@tsbuild/llb";
export { defaultProfileText } from "@tsbuild/sandbox";
export { planForm, planJson, type StepForms, seccompForm, stepForms, thisMachine } from "./step-sketch.ts";
