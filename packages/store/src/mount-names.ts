/**
 * Cache mounts are stored under what a step's graph calls them, NAMESPACE/ID (D078): `/go` for `id=go`, `//root/.cache` for a target
 * without an id, as long as no namespace is set. People say the ID.
 */
export function mountTitle(name: string): string {
  return name.startsWith("/") ? name.slice(1) : name;
}

/** What an ID as people say it may be stored under, the likelier first: `/go` is the target /go, else `id=go` with a slash too many. */
export function mountNames(id: string): readonly [string, string] {
  return [`/${id}`, id];
}
