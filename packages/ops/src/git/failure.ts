import { type ErrorCode, hideCredentials, TsbuildError } from "@tsbuild/base";
import { GitFailure } from "./command.ts";
import { hostOf } from "./request.ts";

interface Kind {
  readonly match: RegExp;
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint: (host: string, url: string) => string | undefined;
}

const LOGIN = (host: string): string =>
  `give a token: --secret id=GIT_AUTH_TOKEN.${host},env=TOKEN (or id=GIT_AUTH_HEADER.${host} with a whole header)`;

/** What git's messages mean, most telling first. */
const KINDS: readonly Kind[] = [
  {
    match:
      /host key for .* has changed|remote host identification has changed|revoked host key|is marked as revoked/i,
    code: "TSB_AUTH",
    why: "the host has another ssh key than the one that is known",
    hint: (host) =>
      `somebody may be in between: ask who runs the host; if the key was really replaced: ssh-keygen -R ${host.replace(/^(.*):(\d+)$/, "'[$1]:$2'")}, then add the new one`,
  },
  {
    match: /host key verification failed/i,
    code: "TSB_AUTH",
    why: "the host's ssh key is not known",
    hint: (host) =>
      `look at the key, then add it: ssh-keyscan ${host.replace(/^(.*):(\d+)$/, "-p $2 $1")} >> ~/.ssh/known_hosts`,
  },
  {
    match: /permission denied \(|no such identity|sign_and_send_pubkey/i,
    code: "TSB_AUTH",
    why: "ssh was refused",
    hint: () =>
      "lend it your agent: --ssh default (and ssh-add the key; one with a passphrase works in an agent only)",
  },
  {
    match:
      /certificate verification failed|ssl certificate problem|certificate subject name|self[- ]signed certificate/i,
    code: "TSB_RESOLVE",
    why: "the server's certificate is not trusted here",
    hint: () => "name a file with the authority that signed it: GIT_SSL_CAINFO=FILE",
  },
  {
    match: /unable to update url base from redirection|requested URL returned error: 30\d/i,
    code: "TSB_AUTH",
    why: "the server sends to another URL, and credentials do not follow",
    hint: () => "use the URL that it sends to",
  },
  {
    match:
      /could not read (?:username|password)|authentication failed|terminal prompts disabled|returned error: 40[13]\b/i,
    code: "TSB_AUTH",
    why: "the server wants a login, or the one given is wrong",
    hint: LOGIN,
  },
  {
    match:
      /repository .*not found|does not appear to be a git repository|returned error: 404|not exported|access denied or repository/i,
    code: "TSB_RESOLVE",
    why: "there is no such repository, or it is private",
    hint: (host, url) =>
      /^https?:/i.test(url) ? `check the URL; for a private one ${LOGIN(host)}` : "check the URL",
  },
  {
    match:
      /could ?n[o']t resolve host|could not resolve hostname|connection refused|failed to connect|unable to connect|timed out|network is unreachable|no route to host/i,
    code: "TSB_RESOLVE",
    why: "the host cannot be reached",
    hint: () => "check the name and the network; --offline uses what is here already",
  },
  {
    match: /fsck error|fsck|index-pack failed|did not send all necessary objects/i,
    code: "TSB_INTEGRITY",
    why: "the repository's objects are damaged or forged",
    hint: () => undefined,
  },
];

/** The lines of git that say something, without passwords and the server's control characters. */
function shortened(stderr: string): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.replace(/[\x00-\x1f\x7f]/g, " ").trim())
    .filter((line) => line !== "");
  const telling = lines.filter((line) => /^(?:fatal|error|remote|ssh|host key|[\w.-]+@)/i.test(line));
  return hideCredentials((telling.length > 0 ? telling : lines).slice(-3).join("; ")).slice(0, 500);
}

/** An error for people of what git said about a remote; anything else as it is. */
export function remoteFailure(what: string, url: string, error: unknown): unknown {
  if (!(error instanceof GitFailure)) return error;
  const kind = KINDS.find(({ match }) => match.test(error.stderr));
  const { host } = hostOf(url);
  const said = shortened(error.stderr);
  const why = kind === undefined ? "" : `: ${kind.why}`;
  return new TsbuildError(kind?.code ?? "TSB_RESOLVE", `${what} ${hideCredentials(url)}${why} (${said})`, {
    hint: kind?.hint(host, url),
    cause: error,
  });
}
