import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestHex, hideCredentials, sha256Fields, TsbuildError } from "@tsbuild/base";
import { GitFailure, runGit } from "./command.ts";
import { remoteFailure } from "./failure.ts";
import type { Login } from "./login.ts";
import type { GitRequest } from "./request.ts";
import { pickRef, type ResolvedRef, refPatterns } from "./resolve-ref.ts";

export interface RepositoryOptions {
  /** State folder. */
  readonly root: string;
  readonly request: GitRequest;
  readonly login: Login;
  readonly signal: AbortSignal;
}

/** A server that does not hand out commits by their id, or cannot cut the history short. */
const NEEDS_MORE =
  /unadvertised object|not our ref|couldn'?t find remote ref|dumb http transport|does not support shallow/i;

/**
 * The bare repository that keeps what was fetched from one URL, `ROOT/git/<hash of the URL>-<hash length>`. A commit is there whole when
 * `refs/tsbuild/<commit>` is: that is written after git has checked that nothing of it is missing.
 */
export class Repository {
  readonly gitDir: string;
  readonly #options: RepositoryOptions;

  constructor(options: RepositoryOptions) {
    this.#options = options;
    this.gitDir = join(options.root, "git", digestHex(sha256Fields(["git-cache-1", options.login.url])));
  }

  /** Runs git in the repository, with credentials only where `remote`. */
  run(args: readonly string[], options: { readonly remote?: boolean } = {}): Promise<string> {
    const { login, signal } = this.#options;
    const { config, env } = options.remote ? login : { config: [], env: {} };
    return runGit({ args, gitDir: this.gitDir, config, env, signal });
  }

  /** Makes the repository unless it is there. The caller holds its lock. */
  async open(): Promise<void> {
    const attributes = join(this.gitDir, "info", "attributes");
    // Written last: a repository without it was left half made.
    if (existsSync(attributes)) return;
    mkdirSync(join(this.gitDir, "info"), { recursive: true, mode: 0o700 });
    await this.run(["init", "--bare", "--quiet", "--template="]);
    // `git archive` is how trees get out, and a checkout knows neither of these attributes.
    writeFileSync(attributes, "* -export-ignore -export-subst\n");
  }

  /** Asks the server which commit a name stands for now. */
  async resolve(): Promise<ResolvedRef> {
    const { request, login } = this.#options;
    const args = ["ls-remote", "--quiet", "--", login.url, ...refPatterns(request.ref)];
    const listing = await this.run(args, { remote: true }).catch((error: unknown) => {
      throw remoteFailure("reading the refs of", request.url, error);
    });
    return pickRef(listing, request);
  }

  async has(commit: string): Promise<boolean> {
    return this.#succeeds(["rev-parse", "--quiet", "--verify", `refs/tsbuild/${commit}^{tree}`]);
  }

  async #succeeds(args: readonly string[]): Promise<boolean> {
    try {
      await this.run(args);
      return true;
    } catch (error) {
      if (error instanceof GitFailure) return false;
      throw error;
    }
  }

  /** Fetches a commit, no history with it when the server can do that. The caller holds the lock. */
  async fetch(resolved: ResolvedRef): Promise<void> {
    const { request } = this.#options;
    this.#removeStaleLocks(resolved.commit);
    const wanted = request.fetchByCommit || resolved.name === undefined ? resolved.commit : resolved.name;
    if (!(await this.#tryShallow(wanted, resolved.commit))) await this.#fetchAll(resolved.commit);
    await this.run(["update-ref", `refs/tsbuild/${resolved.commit}`, resolved.commit]);
  }

  /** What a killed git left would make every later one fail. Nobody else is at work here: the caller holds the lock. */
  #removeStaleLocks(commit: string): void {
    const names = [
      "shallow",
      "packed-refs",
      "config",
      "HEAD",
      "refs/tsbuild/incoming",
      `refs/tsbuild/${commit}`,
    ];
    for (const name of names) rmSync(join(this.gitDir, `${name}.lock`), { force: true });
  }

  /** False when the server needs to be asked in another way, or the name has moved meanwhile. */
  async #tryShallow(wanted: string, commit: string): Promise<boolean> {
    const { request } = this.#options;
    try {
      await this.#fetchRefs(["--depth=1"], [`+${wanted}:refs/tsbuild/incoming`]);
    } catch (error) {
      if (error instanceof GitFailure && NEEDS_MORE.test(error.stderr)) return false;
      throw remoteFailure("fetching", request.url, error);
    }
    return this.#succeeds(["merge-base", "--is-ancestor", commit, "refs/tsbuild/incoming"]);
  }

  async #fetchAll(commit: string): Promise<void> {
    const { request } = this.#options;
    const refs = ["+refs/heads/*:refs/tsbuild/all/heads/*", "+refs/tags/*:refs/tsbuild/all/tags/*"];
    const whole = (await this.run(["rev-parse", "--is-shallow-repository"])).startsWith("true")
      ? ["--unshallow"]
      : [];
    await this.#fetchRefs(whole, refs).catch((error: unknown) => {
      throw remoteFailure("fetching", request.url, error);
    });
    if (await this.#succeeds(["rev-parse", "--quiet", "--verify", `${commit}^{tree}`])) return;
    throw new TsbuildError("TSB_RESOLVE", `${hideCredentials(request.url)} has no commit ${commit}`, {
      hint:
        commit === request.pinned
          ? "it is what tsbuild.lock says; to take what the name is now: tsbuild build --update-lock …"
          : "no branch or tag of it leads to this commit, and the server does not give it out otherwise",
    });
  }

  async #fetchRefs(depth: readonly string[], refs: readonly string[]): Promise<void> {
    const { url } = this.#options.login;
    const flags = ["--quiet", "--no-tags", "--force", "--no-write-fetch-head", "--no-auto-maintenance"];
    await this.run(["fetch", ...flags, ...depth, "--", url, ...refs], { remote: true });
  }

  /** Seconds since the epoch of a commit that is here. */
  async commitTime(commit: string): Promise<number> {
    return Number(
      (await this.run(["show", "-s", "--no-show-signature", "--format=%ct", commit, "--"])).trim(),
    );
  }
}
