const SECRET = "apikey|auth|credential|credentials|key|password|pword|passwd|secret|token";
const DENIED = new RegExp(`(?:_|^)(?:${SECRET})(?:_|$)`, "i");
const ALLOWED = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** True for a variable that by its name holds a secret: ARG and ENV values stay readable in the image (D153). */
export function looksSecret(name: string): boolean {
  return DENIED.test(name) && !ALLOWED.test(name);
}
