import type {
  CopyAction,
  FileAction,
  FileOp,
  MkdirAction,
  MkfileAction,
  Owner,
  RmAction,
  SymlinkAction,
  UserOrId,
} from "./op.ts";
import { writeMessage } from "./wire-writer.ts";

/** `pb.UserOpt`: a oneof, so user id 0 is written. */
function encodeUser(user: UserOrId): Uint8Array {
  return writeMessage((w) => {
    if ("id" in user) return w.oneofUint32(2, user.id);
    const named = writeMessage((m) => {
      m.string(1, user.name);
      m.int(2, user.input);
    });
    w.message(1, named);
  });
}

/** `pb.ChownOpt`. */
function encodeOwner(owner: Owner): Uint8Array {
  return writeMessage((w) => {
    if (owner.user !== undefined) w.message(1, encodeUser(owner.user));
    if (owner.group !== undefined) w.message(2, encodeUser(owner.group));
  });
}

function encodeCopy(copy: CopyAction): Uint8Array {
  return writeMessage((w) => {
    w.string(1, copy.src);
    w.string(2, copy.dest);
    if (copy.owner !== undefined) w.message(3, encodeOwner(copy.owner));
    w.int(4, copy.mode);
    w.bool(5, copy.followSymlink);
    w.bool(6, copy.dirCopyContents);
    w.bool(7, copy.attemptUnpackDockerCompatibility);
    w.bool(8, copy.createDestPath);
    w.bool(9, copy.allowWildcard);
    w.bool(10, copy.allowEmptyWildcard);
    w.int(11, copy.timestampNs);
    w.strings(12, copy.includePatterns);
    w.strings(13, copy.excludePatterns);
    w.bool(14, copy.alwaysReplaceExistingDestPaths);
    w.string(15, copy.modeStr);
    w.strings(16, copy.requiredPaths);
  });
}

function encodeMkfile(mkfile: MkfileAction): Uint8Array {
  return writeMessage((w) => {
    w.string(1, mkfile.path);
    w.int(2, mkfile.mode);
    w.bytes(3, mkfile.data);
    if (mkfile.owner !== undefined) w.message(4, encodeOwner(mkfile.owner));
    w.int(5, mkfile.timestampNs);
  });
}

function encodeMkdir(mkdir: MkdirAction): Uint8Array {
  return writeMessage((w) => {
    w.string(1, mkdir.path);
    w.int(2, mkdir.mode);
    w.bool(3, mkdir.makeParents);
    if (mkdir.owner !== undefined) w.message(4, encodeOwner(mkdir.owner));
    w.int(5, mkdir.timestampNs);
  });
}

function encodeRm(rm: RmAction): Uint8Array {
  return writeMessage((w) => {
    w.string(1, rm.path);
    w.bool(2, rm.allowNotFound);
    w.bool(3, rm.allowWildcard);
  });
}

function encodeSymlink(symlink: SymlinkAction): Uint8Array {
  return writeMessage((w) => {
    w.string(1, symlink.oldPath);
    w.string(2, symlink.newPath);
    if (symlink.owner !== undefined) w.message(3, encodeOwner(symlink.owner));
    w.int(4, symlink.timestampNs);
  });
}

/** Field number in `pb.FileAction` and bytes of the action. */
function encodeKind(action: FileAction["action"]): { field: number; bytes: Uint8Array } {
  switch (action.type) {
    case "copy":
      return { field: 4, bytes: encodeCopy(action) };
    case "mkfile":
      return { field: 5, bytes: encodeMkfile(action) };
    case "mkdir":
      return { field: 6, bytes: encodeMkdir(action) };
    case "rm":
      return { field: 7, bytes: encodeRm(action) };
    case "symlink":
      return { field: 8, bytes: encodeSymlink(action) };
  }
}

/** `pb.FileOp`. */
export function encodeFile(op: FileOp): Uint8Array {
  return writeMessage((w) => {
    for (const { input, secondaryInput, output, action } of op.actions) {
      const entry = writeMessage((m) => {
        m.int(1, input);
        m.int(2, secondaryInput);
        m.int(3, output);
        const { field, bytes } = encodeKind(action);
        m.message(field, bytes);
      });
      w.message(2, entry);
    }
  });
}
