export { type ExpectedPush, expectPush } from "./ahead.ts";
export type { AttestationManifest } from "./attached.ts";
export type { Attestation } from "./attestation.ts";
export { imagePurl } from "./attestation.ts";
export { type ClampRequest, clampSnapshot } from "./clamp.ts";
export { commitImage, measureLayers, packLargeLayers, registerImage } from "./commit.ts";
export { exportFailure, writeArchive } from "./destination.ts";
export { type ArchiveDraft, commitAndDraft } from "./draft.ts";
export { EarlyPushes } from "./early-push.ts";
export { exportResult } from "./export.ts";
export { exportRootfs } from "./files.ts";
export { exportArchive, type SavedImage } from "./layout.ts";
export { bytesFrom, type Pushing } from "./pushing.ts";
export { registerImages } from "./register.ts";
export { commitRemote } from "./remote.ts";
export { type SnapshotLayer, snapshotLayers } from "./snapshot-layers.ts";
export { type SquashOptions, squash } from "./squash.ts";
export type {
  CommitRequest,
  CommittedImage,
  CommittedLayer,
  ExportOptions,
  ExportProgress,
  ExportRequest,
  ExportResult,
  ImageResult,
  OriginalIndex,
} from "./types.ts";
