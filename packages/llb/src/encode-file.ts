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
import type { MessageWriter } from "./wire-writer.ts";

/** `pb.UserOpt`: a oneof, so user id 0 is written. */
function writeUser(w: MessageWriter, user: UserOrId): void {
  if ("id" in user) w.oneofUint32(2, user.id);
  else
    w.message(1, (m) => {
      m.string(1, user.name);
      m.int(2, user.input);
    });
}

/** `pb.ChownOpt`. */
function writeOwner(w: MessageWriter, field: number, owner: Owner | undefined): void {
  if (owner === undefined) return;
  const { user, group } = owner;
  w.message(field, (m) => {
    if (user !== undefined) m.message(1, (one) => writeUser(one, user));
    if (group !== undefined) m.message(2, (one) => writeUser(one, group));
  });
}

function writeCopy(w: MessageWriter, copy: CopyAction): void {
  w.string(1, copy.src);
  w.string(2, copy.dest);
  writeOwner(w, 3, copy.owner);
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
}

function writeMkfile(w: MessageWriter, mkfile: MkfileAction): void {
  w.string(1, mkfile.path);
  w.int(2, mkfile.mode);
  w.bytes(3, mkfile.data);
  writeOwner(w, 4, mkfile.owner);
  w.int(5, mkfile.timestampNs);
}

function writeMkdir(w: MessageWriter, mkdir: MkdirAction): void {
  w.string(1, mkdir.path);
  w.int(2, mkdir.mode);
  w.bool(3, mkdir.makeParents);
  writeOwner(w, 4, mkdir.owner);
  w.int(5, mkdir.timestampNs);
}

function writeRm(w: MessageWriter, rm: RmAction): void {
  w.string(1, rm.path);
  w.bool(2, rm.allowNotFound);
  w.bool(3, rm.allowWildcard);
}

function writeSymlink(w: MessageWriter, symlink: SymlinkAction): void {
  w.string(1, symlink.oldPath);
  w.string(2, symlink.newPath);
  writeOwner(w, 3, symlink.owner);
  w.int(4, symlink.timestampNs);
}

/** The action, in its field of `pb.FileAction`. */
function writeAction(w: MessageWriter, action: FileAction["action"]): void {
  switch (action.type) {
    case "copy":
      w.message(4, (m) => writeCopy(m, action));
      break;
    case "mkfile":
      w.message(5, (m) => writeMkfile(m, action));
      break;
    case "mkdir":
      w.message(6, (m) => writeMkdir(m, action));
      break;
    case "rm":
      w.message(7, (m) => writeRm(m, action));
      break;
    case "symlink":
      w.message(8, (m) => writeSymlink(m, action));
      break;
  }
}

/** `pb.FileOp`. */
export function writeFile(w: MessageWriter, op: FileOp): void {
  for (const { input, secondaryInput, output, action } of op.actions)
    w.message(2, (m) => {
      m.int(1, input);
      m.int(2, secondaryInput);
      m.int(3, output);
      writeAction(m, action);
    });
}
