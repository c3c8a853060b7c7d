/** What a stage that is scanned as well is called where it is a file. */
export function scannedName(stage: string): string {
  return `sbom-${stage.replaceAll(/[^A-Za-z0-9._-]/g, "_")}`;
}
