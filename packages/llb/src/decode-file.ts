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
import { bigInt, bool, bytes, int, malformed, readMessage, text, uint32 } from "./wire-reader.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function decodeNamedUser(data: Uint8Array): UserOrId {
  const named = { name: "", input: 0 };
  readMessage(data, "NamedUserOpt", {
    1: text((v) => {
      named.name = v;
    }),
    2: int((v) => {
      named.input = v;
    }),
  });
  return named;
}

function decodeUser(data: Uint8Array): UserOrId | undefined {
  let user: UserOrId | undefined;
  readMessage(data, "UserOpt", {
    1: bytes((v) => {
      user = decodeNamedUser(v);
    }),
    2: uint32((v) => {
      user = { id: v };
    }),
  });
  return user;
}

function decodeOwner(data: Uint8Array): Owner {
  const owner: Mutable<Owner> = {};
  readMessage(data, "ChownOpt", {
    1: bytes((v) => {
      owner.user = decodeUser(v);
    }),
    2: bytes((v) => {
      owner.group = decodeUser(v);
    }),
  });
  return owner;
}

function decodeCopy(data: Uint8Array): CopyAction {
  const includePatterns: string[] = [];
  const excludePatterns: string[] = [];
  const requiredPaths: string[] = [];
  const copy: Mutable<CopyAction> = {
    type: "copy",
    src: "",
    dest: "",
    mode: 0,
    modeStr: "",
    followSymlink: false,
    dirCopyContents: false,
    attemptUnpackDockerCompatibility: false,
    createDestPath: false,
    allowWildcard: false,
    allowEmptyWildcard: false,
    timestampNs: 0n,
    includePatterns,
    excludePatterns,
    requiredPaths,
    alwaysReplaceExistingDestPaths: false,
  };
  readMessage(data, "FileActionCopy", {
    1: text((v) => {
      copy.src = v;
    }),
    2: text((v) => {
      copy.dest = v;
    }),
    3: bytes((v) => {
      copy.owner = decodeOwner(v);
    }),
    4: int((v) => {
      copy.mode = v;
    }),
    5: bool((v) => {
      copy.followSymlink = v;
    }),
    6: bool((v) => {
      copy.dirCopyContents = v;
    }),
    7: bool((v) => {
      copy.attemptUnpackDockerCompatibility = v;
    }),
    8: bool((v) => {
      copy.createDestPath = v;
    }),
    9: bool((v) => {
      copy.allowWildcard = v;
    }),
    10: bool((v) => {
      copy.allowEmptyWildcard = v;
    }),
    11: bigInt((v) => {
      copy.timestampNs = v;
    }),
    12: text((v) => includePatterns.push(v)),
    13: text((v) => excludePatterns.push(v)),
    14: bool((v) => {
      copy.alwaysReplaceExistingDestPaths = v;
    }),
    15: text((v) => {
      copy.modeStr = v;
    }),
    16: text((v) => requiredPaths.push(v)),
  });
  return copy;
}

function decodeMkfile(data: Uint8Array): MkfileAction {
  const mkfile: Mutable<MkfileAction> = {
    type: "mkfile",
    path: "",
    mode: 0,
    data: new Uint8Array(),
    timestampNs: 0n,
  };
  readMessage(data, "FileActionMkFile", {
    1: text((v) => {
      mkfile.path = v;
    }),
    2: int((v) => {
      mkfile.mode = v;
    }),
    3: bytes((v) => {
      mkfile.data = v;
    }),
    4: bytes((v) => {
      mkfile.owner = decodeOwner(v);
    }),
    5: bigInt((v) => {
      mkfile.timestampNs = v;
    }),
  });
  return mkfile;
}

function decodeMkdir(data: Uint8Array): MkdirAction {
  const mkdir: Mutable<MkdirAction> = {
    type: "mkdir",
    path: "",
    mode: 0,
    makeParents: false,
    timestampNs: 0n,
  };
  readMessage(data, "FileActionMkDir", {
    1: text((v) => {
      mkdir.path = v;
    }),
    2: int((v) => {
      mkdir.mode = v;
    }),
    3: bool((v) => {
      mkdir.makeParents = v;
    }),
    4: bytes((v) => {
      mkdir.owner = decodeOwner(v);
    }),
    5: bigInt((v) => {
      mkdir.timestampNs = v;
    }),
  });
  return mkdir;
}

function decodeRm(data: Uint8Array): RmAction {
  const rm: Mutable<RmAction> = { type: "rm", path: "", allowNotFound: false, allowWildcard: false };
  readMessage(data, "FileActionRm", {
    1: text((v) => {
      rm.path = v;
    }),
    2: bool((v) => {
      rm.allowNotFound = v;
    }),
    3: bool((v) => {
      rm.allowWildcard = v;
    }),
  });
  return rm;
}

function decodeSymlink(data: Uint8Array): SymlinkAction {
  const symlink: Mutable<SymlinkAction> = { type: "symlink", oldPath: "", newPath: "", timestampNs: 0n };
  readMessage(data, "FileActionSymlink", {
    1: text((v) => {
      symlink.oldPath = v;
    }),
    2: text((v) => {
      symlink.newPath = v;
    }),
    3: bytes((v) => {
      symlink.owner = decodeOwner(v);
    }),
    4: bigInt((v) => {
      symlink.timestampNs = v;
    }),
  });
  return symlink;
}

function decodeAction(data: Uint8Array): FileAction {
  const entry = { input: 0, secondaryInput: 0, output: 0 };
  let action: FileAction["action"] | undefined;
  readMessage(data, "FileAction", {
    1: int((v) => {
      entry.input = v;
    }),
    2: int((v) => {
      entry.secondaryInput = v;
    }),
    3: int((v) => {
      entry.output = v;
    }),
    4: bytes((v) => {
      action = decodeCopy(v);
    }),
    5: bytes((v) => {
      action = decodeMkfile(v);
    }),
    6: bytes((v) => {
      action = decodeMkdir(v);
    }),
    7: bytes((v) => {
      action = decodeRm(v);
    }),
    8: bytes((v) => {
      action = decodeSymlink(v);
    }),
  });
  if (action === undefined) throw malformed("a file action has no kind");
  return { ...entry, action };
}

/** `pb.FileOp`. */
export function decodeFile(data: Uint8Array): FileOp {
  const actions: FileAction[] = [];
  readMessage(data, "FileOp", { 2: bytes((v) => actions.push(decodeAction(v))) });
  return { type: "file", actions };
}
