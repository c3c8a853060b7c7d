/** The command line of this process. */
export async function startThread(): Promise<void> {
  const { enterNamespace } = await import("./enter-namespace.ts");
  enterNamespace();
  const { runProcess } = await import("./process.ts");
  return runProcess();
}
