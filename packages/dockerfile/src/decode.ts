import { limits, TsbuildError } from "@tsbuild/base";

/**
 * Text of a Dockerfile: UTF-8, one byte order mark dropped (FEATURES D001), invalid bytes as U+FFFD. Files above
 * `limits.dockerfileBytes` are refused.
 */
export function decodeSource(data: string | Uint8Array, file: string): string {
  const sizeBytes = typeof data === "string" ? data.length : data.byteLength;
  if (sizeBytes > limits.dockerfileBytes) throw tooLarge(file, sizeBytes);
  const text = typeof data === "string" ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function tooLarge(file: string, sizeBytes: number): TsbuildError {
  return new TsbuildError(
    "TSB_DOCKERFILE",
    `${file} has ${sizeBytes} bytes, more than the limit of ${limits.dockerfileBytes}`,
    { hint: "is this really a Dockerfile?" },
  );
}
