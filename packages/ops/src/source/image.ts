import { chainId, hostPlatform, sha256Fields } from "@tsbuild/base";
import type { Op, SourceOp } from "@tsbuild/llb";
import type { OpContext, VertexOp } from "@tsbuild/solver";
import { refForRemote, refForSnapshot } from "@tsbuild/store";
import type { OpsEnvironment, ProvidedImage } from "../environment.ts";

/** Name for the provider: a layout's is its folder, not what the Dockerfile calls it. */
function imageName(source: SourceOp): string {
  const store = source.attrs["oci.store"];
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(source.identifier)?.[1];
  return store === undefined || digest === undefined ? source.identifier : `oci-layout://${store}@${digest}`;
}

/** Executor of FROM: the config decides the key, the layers are fetched only when a step really needs them (V017, V021). */
export function imageOp(env: OpsEnvironment, op: Op & { readonly kind: SourceOp }): VertexOp {
  let image: Promise<ProvidedImage> | undefined;
  const resolve = async (): Promise<ProvidedImage> => {
    image ??= env
      .images()
      .then((images) => images.resolve(imageName(op.kind), { platform: op.platform ?? hostPlatform() }));
    return image;
  };
  return {
    cacheMap: async () => {
      const { config, manifest } = await resolve();
      // Two tags of one image, or two manifests of the same layers, are one base: the stack of layers is the key.
      const chain = chainId(config.rootfs.diff_ids) ?? "scratch";
      return {
        digest: sha256Fields(["image-1", chain]),
        inputs: [],
        fields: [{ name: "base", value: manifest }],
      };
    },
    run: async (_inputs, context: OpContext) => {
      const images = await env.images();
      const found = await resolve();
      const remote = env.isPassedOn?.(context.vertex) ? await images.remoteLayers(found) : undefined;
      if (remote !== undefined) return [refForRemote(remote)];
      return [refForSnapshot(env.store, await images.unpack(found, context))];
    },
  };
}
