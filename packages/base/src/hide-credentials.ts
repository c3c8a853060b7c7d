const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)([^\s/?#"'<>]*)@/gi;
/** Here an `@` stands before a digest. */
const IMAGE = /^(?:docker-image|oci-layout):/i;

/**
 * A text without the users and passwords of the URLs in it: `https://***@host/x`. The user of http(s) may be a token, so it goes, too;
 * `ssh://git@host` says nothing and stays.
 */
export function hideCredentials(text: string): string {
  return text.replace(CREDENTIALS, (all, scheme: string, user: string) =>
    !IMAGE.test(scheme) && (/^https?:/i.test(scheme) || user.includes(":")) ? `${scheme}***@` : all,
  );
}
