declare module "unbzip2-stream" {
  /** A `through` stream of old: `data`, `end` and `error` events come while `write` and `end` run. */
  interface OldStream {
    write(chunk: Uint8Array): boolean;
    end(): void;
    on(event: "data", listener: (block: Buffer) => void): this;
    on(event: "error", listener: (error: unknown) => void): this;
  }
  export default function unbzip2Stream(): OldStream;
}
