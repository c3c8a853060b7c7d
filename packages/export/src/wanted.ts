// What outputs ask for, as it has to be known before anything is built: without what makes them, which a build loads while its steps run.
export { checkOutputs, clampsAll, takesAsItComes, wantedCompression } from "./attributes.ts";
export { checkFit } from "./fit.ts";
