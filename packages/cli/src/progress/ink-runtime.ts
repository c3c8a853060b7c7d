/**
 * Loads ink and react. A module of its own because the bundle replaces it: ink's layout engine loads its WebAssembly
 * with a top-level `await`, which one CommonJS file cannot hold (scripts/bundle.ts).
 */
export async function loadInk(): Promise<{ ink: typeof import("ink"); react: typeof import("react") }> {
  const [ink, react] = await Promise.all([import("ink"), import("react")]);
  return { ink, react };
}
