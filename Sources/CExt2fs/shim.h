// libext2fs, and what of it Swift cannot import.
#pragma once

#include <ext2fs/ext2fs.h>

/// The I/O manager of plain files. It is a mutable global, which Swift refuses to read.
static inline io_manager slipway_file_io_manager(void) {
  return unix_io_manager;
}

/// A function-like macro: an option in the form `name=value`, for the channel of a filesystem.
static inline errcode_t slipway_set_channel_option(ext2_filsys filesystem, const char *option) {
  return io_channel_set_options(filesystem->io, option);
}

/// Marks the inode bitmap and the superblock as changed; inline functions that this header hides from importers.
static inline void slipway_mark_changed(ext2_filsys filesystem) {
  ext2fs_mark_ib_dirty(filesystem);
  ext2fs_mark_bb_dirty(filesystem);
  ext2fs_mark_super_dirty(filesystem);
}
