#pragma once
#include <node_api.h>

/* Calls on one path, or on layers: they return when it is done. */
napi_value open_folder(napi_env env, napi_callback_info info);
napi_value close_fd(napi_env env, napi_callback_info info);
napi_value mount_overlay(napi_env env, napi_callback_info info);
napi_value plain_layer(napi_env env, napi_callback_info info);
napi_value mount_memory(napi_env env, napi_callback_info info);
napi_value open_in_root(napi_env env, napi_callback_info info);
napi_value path_in_root(napi_env env, napi_callback_info info);
napi_value stat_in_root(napi_env env, napi_callback_info info);
napi_value readlink_in_root(napi_env env, napi_callback_info info);
napi_value list_in_root(napi_env env, napi_callback_info info);
napi_value read_file_in_root(napi_env env, napi_callback_info info);
napi_value write_file_in_root(napi_env env, napi_callback_info info);
napi_value symlink_in_root(napi_env env, napi_callback_info info);
napi_value mkdir_in_root(napi_env env, napi_callback_info info);
napi_value remove_in_root(napi_env env, napi_callback_info info);
napi_value set_times_in_root(napi_env env, napi_callback_info info);
napi_value set_owner_mode_in_root(napi_env env, napi_callback_info info);
napi_value forget_range(napi_env env, napi_callback_info info);
napi_value try_lock(napi_env env, napi_callback_info info);
napi_value lock_byte_of(napi_env env, napi_callback_info info);

/* On sockets. */
napi_value socket_pair(napi_env env, napi_callback_info info);
napi_value send_descriptors(napi_env env, napi_callback_info info);

/* On a program beside this one. */
napi_value start_program(napi_env env, napi_callback_info info);
napi_value program_end(napi_env env, napi_callback_info info);
napi_value end_process(napi_env env, napi_callback_info info);

/* On bytes in memory. */
napi_value sha256(napi_env env, napi_callback_info info);
napi_value inflate_best_is_isal(napi_env env, napi_callback_info info);
napi_value inflate_new(napi_env env, napi_callback_info info);
napi_value inflate_run(napi_env env, napi_callback_info info);

/* On a layer's archive, as its bytes are asked for. */
napi_value packing_open(napi_env env, napi_callback_info info);
napi_value packing_run(napi_env env, napi_callback_info info);
napi_value packing_close(napi_env env, napi_callback_info info);

/* On a layer's archive, as its bytes come. */
napi_value members_open(napi_env env, napi_callback_info info);
napi_value members_run(napi_env env, napi_callback_info info);
napi_value members_take_folders(napi_env env, napi_callback_info info);
napi_value members_take_others(napi_env env, napi_callback_info info);
napi_value members_close(napi_env env, napi_callback_info info);
napi_value gunzip_open(napi_env env, napi_callback_info info);
napi_value gunzip_step(napi_env env, napi_callback_info info);
napi_value gunzip_digest(napi_env env, napi_callback_info info);
napi_value gunzip_close(napi_env env, napi_callback_info info);

/* Calls on a batch: they return a promise and work on libuv's pool. */
napi_value walk(napi_env env, napi_callback_info info);
napi_value disk_usage(napi_env env, napi_callback_info info);
napi_value hash_new(napi_env env, napi_callback_info info);
napi_value hash_update(napi_env env, napi_callback_info info);
napi_value hash_file_range(napi_env env, napi_callback_info info);
napi_value hash_end(napi_env env, napi_callback_info info);
napi_value hash_files(napi_env env, napi_callback_info info);
napi_value read_files(napi_env env, napi_callback_info info);
napi_value apply(napi_env env, napi_callback_info info);
napi_value apply_here(napi_env env, napi_callback_info info);
napi_value copy_files(napi_env env, napi_callback_info info);
napi_value pair_walks(napi_env env, napi_callback_info info);
napi_value digest_walk(napi_env env, napi_callback_info info);
napi_value compress(napi_env env, napi_callback_info info);
napi_value send_file_range(napi_env env, napi_callback_info info);
napi_value sync_fs(napi_env env, napi_callback_info info);
napi_value fsync_folder(napi_env env, napi_callback_info info);
