import { runOk } from "./world.ts";

const SUBJECT = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];

/** Makes a key and a certificate of 127.0.0.1 that signs itself, by openssl: `PREFIX.key` and `PREFIX.crt`, both PEM. */
export async function createSelfSigned(
  prefix: string,
): Promise<{ readonly key: string; readonly cert: string }> {
  const [key, cert] = [`${prefix}.key`, `${prefix}.crt`];
  const how = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert];
  await runOk("openssl", [...how, ...SUBJECT]);
  return { key, cert };
}
