import { formatPlatform, type Platform } from "@tsbuild/base";
import type { Compiled, ImageResolver, ResolvedImage, SourceTime } from "./api.ts";

type ImageRecord = Compiled["images"][number];

function byKey<T>(map: ReadonlyMap<string, T>): T[] {
  return Array.from(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => value);
}

/** Asks for each image and platform once, however many stages and platforms use it, and notes the answers. */
export class RecordingResolver {
  readonly #resolver: ImageResolver;
  readonly #answers = new Map<string, Promise<ResolvedImage>>();
  readonly #records = new Map<string, ImageRecord>();
  readonly #times = new Map<string, SourceTime>();

  constructor(resolver: ImageResolver) {
    this.#resolver = resolver;
  }

  resolve(name: string, platform: Platform): Promise<ResolvedImage> {
    const key = `${name} ${formatPlatform(platform)}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = this.#ask(key, name, platform);
    this.#answers.set(key, answer);
    return answer;
  }

  async #ask(key: string, name: string, platform: Platform): Promise<ResolvedImage> {
    const image = await this.#resolver.resolve(name, { platform });
    const { digest } = image;
    this.#records.set(key, { name, platform, ...(digest === undefined ? {} : { digest }) });
    return image;
  }

  /** Seconds since the epoch that a git or http source is from, when that can be told. */
  async sourceTime(identifier: string, attrs: Readonly<Record<string, string>>): Promise<number | undefined> {
    const seconds = await this.#resolver.sourceTime?.({ identifier, attrs });
    const key = JSON.stringify([identifier, attrs]);
    this.#times.set(key, { identifier, attrs, ...(seconds === undefined ? {} : { seconds }) });
    return seconds;
  }

  /** The answers that went in, in a stable order. */
  records(): Pick<Compiled, "images" | "sourceTimes"> {
    return { images: byKey(this.#records), sourceTimes: byKey(this.#times) };
  }
}
