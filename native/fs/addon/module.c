/* The table of what the addon offers. src/addon.ts declares the same for TypeScript. */
#include "addon.h"

#define CALL(name, function) {name, NULL, function, NULL, NULL, NULL, napi_enumerable, NULL}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  static const napi_property_descriptor calls[] = {
      CALL("openFolder", open_folder),
      CALL("close", close_fd),
      CALL("mountOverlay", mount_overlay),
      CALL("plainLayer", plain_layer),
      CALL("mountMemory", mount_memory),
      CALL("openInRoot", open_in_root),
      CALL("pathInRoot", path_in_root),
      CALL("statInRoot", stat_in_root),
      CALL("readlinkInRoot", readlink_in_root),
      CALL("listInRoot", list_in_root),
      CALL("readFileInRoot", read_file_in_root),
      CALL("writeFileInRoot", write_file_in_root),
      CALL("symlinkInRoot", symlink_in_root),
      CALL("mkdirInRoot", mkdir_in_root),
      CALL("removeInRoot", remove_in_root),
      CALL("setTimesInRoot", set_times_in_root),
      CALL("setOwnerModeInRoot", set_owner_mode_in_root),
      CALL("tryLock", try_lock),
      CALL("socketPair", socket_pair),
      CALL("sendDescriptors", send_descriptors),
      CALL("lockByte", lock_byte_of),
      CALL("startProgram", start_program),
      CALL("programEnd", program_end),
      CALL("sha256", sha256),
      CALL("membersOpen", members_open),
      CALL("membersRun", members_run),
      CALL("membersTakeFolders", members_take_folders),
      CALL("membersTakeOthers", members_take_others),
      CALL("membersClose", members_close),
      CALL("walk", walk),
      CALL("diskUsage", disk_usage),
      CALL("hashFiles", hash_files),
      CALL("readFiles", read_files),
      CALL("apply", apply),
      CALL("applyHere", apply_here),
      CALL("copyFiles", copy_files),
      CALL("pairWalks", pair_walks),
      CALL("digestWalk", digest_walk),
      CALL("compress", compress),
      CALL("sendFileRange", send_file_range),
      CALL("hashNew", hash_new),
      CALL("hashUpdate", hash_update),
      CALL("hashFileRange", hash_file_range),
      CALL("hashEnd", hash_end),
      CALL("inflateNew", inflate_new),
      CALL("inflateRun", inflate_run),
      CALL("syncFs", sync_fs),
      CALL("fsyncFolder", fsync_folder),
  };
  napi_define_properties(env, exports, sizeof calls / sizeof *calls, calls);
  return exports;
}
