#pragma once
#include <guestfs.h>

// The library is opened when it is needed, and not linked: it has many dependencies, and few commands need it. These are
// the types of its functions, by their names.

typedef __typeof__(&guestfs_create) slipway_guestfs_create;
typedef __typeof__(&guestfs_close) slipway_guestfs_close;
typedef __typeof__(&guestfs_last_error) slipway_guestfs_last_error;
typedef __typeof__(&guestfs_set_error_handler) slipway_guestfs_set_error_handler;
/// guestfs_set_tmpdir, guestfs_set_backend.
typedef __typeof__(&guestfs_set_tmpdir) slipway_guestfs_set_text;
typedef __typeof__(&guestfs_set_backend_setting) slipway_guestfs_set_backend_setting;
typedef __typeof__(&guestfs_add_drive_opts_argv) slipway_guestfs_add_drive_opts_argv;
/// guestfs_launch, guestfs_umount_all, guestfs_shutdown.
typedef __typeof__(&guestfs_launch) slipway_guestfs_call;
typedef __typeof__(&guestfs_mount_options) slipway_guestfs_mount_options;
typedef __typeof__(&guestfs_find0) slipway_guestfs_find0;
typedef __typeof__(&guestfs_checksums_out) slipway_guestfs_checksums_out;
typedef __typeof__(&guestfs_lstatnslist) slipway_guestfs_lstatnslist;
typedef __typeof__(&guestfs_free_statns_list) slipway_guestfs_free_statns_list;
typedef __typeof__(&guestfs_readlink) slipway_guestfs_readlink;
typedef __typeof__(&guestfs_lgetxattrs) slipway_guestfs_lgetxattrs;
typedef __typeof__(&guestfs_free_xattr_list) slipway_guestfs_free_xattr_list;
typedef __typeof__(&guestfs_ls0) slipway_guestfs_ls0;
typedef __typeof__(&guestfs_download_offset) slipway_guestfs_download_offset;
typedef __typeof__(&guestfs_write) slipway_guestfs_write;
typedef __typeof__(&guestfs_pwrite) slipway_guestfs_pwrite;
typedef __typeof__(&guestfs_fill) slipway_guestfs_fill;
typedef __typeof__(&guestfs_rm) slipway_guestfs_rm;
typedef __typeof__(&guestfs_statvfs) slipway_guestfs_statvfs;
typedef __typeof__(&guestfs_free_statvfs) slipway_guestfs_free_statvfs;
