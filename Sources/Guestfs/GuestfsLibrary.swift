internal import Basics
internal import CGuestfs
internal import Glibc

/// The functions of libguestfs.so.0, which is opened when it is needed.
struct GuestfsLibrary {
  let create: slipway_guestfs_create
  let close: slipway_guestfs_close
  let lastError: slipway_guestfs_last_error
  let setErrorHandler: slipway_guestfs_set_error_handler
  let setTmpdir: slipway_guestfs_set_text
  let setBackend: slipway_guestfs_set_text
  let setBackendSetting: slipway_guestfs_set_backend_setting
  let addDrive: slipway_guestfs_add_drive_opts_argv
  let launch: slipway_guestfs_call
  let umountAll: slipway_guestfs_call
  let shutdown: slipway_guestfs_call
  let write: slipway_guestfs_write
  let writeAt: slipway_guestfs_pwrite
  let fill: slipway_guestfs_fill
  let remove: slipway_guestfs_rm
  let mount: slipway_guestfs_mount_options
  let find: slipway_guestfs_find0
  let checksums: slipway_guestfs_checksums_out
  let stat: slipway_guestfs_lstatnslist
  let freeStat: slipway_guestfs_free_statns_list
  let readlink: slipway_guestfs_readlink
  let attributes: slipway_guestfs_lgetxattrs
  let freeAttributes: slipway_guestfs_free_xattr_list
  let ls: slipway_guestfs_ls0
  let download: slipway_guestfs_download_offset
  let statvfs: slipway_guestfs_statvfs
  let freeStatvfs: slipway_guestfs_free_statvfs

  private static let name = "libguestfs.so.0"

  /// - Throws: `Fault` of kind `hostNotAble` where there is no such library.
  init() throws(Fault) {
    // It starts libvirt, which reads then where its log goes: to standard error by default, for this process's own
    // connections, too.
    setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0)
    guard let library = dlopen(Self.name, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "it cannot be opened"
      throw Fault(
        .hostNotAble, "there is no libguestfs, which reads filesystems of other kinds",
        remedy: "Install it (Debian: apt install libguestfs0)", evidence: [reason])
    }
    func symbol<Function>(_ name: String, _: Function.Type = Function.self) throws(Fault) -> Function {
      guard let address = dlsym(library, name) else {
        throw Fault(
          .hostNotAble, "\(Self.name) has no \(name)", remedy: "Install libguestfs 1.40 or later")
      }
      return unsafeBitCast(address, to: Function.self)
    }
    create = try symbol("guestfs_create")
    close = try symbol("guestfs_close")
    lastError = try symbol("guestfs_last_error")
    setErrorHandler = try symbol("guestfs_set_error_handler")
    setTmpdir = try symbol("guestfs_set_tmpdir")
    setBackend = try symbol("guestfs_set_backend")
    setBackendSetting = try symbol("guestfs_set_backend_setting")
    addDrive = try symbol("guestfs_add_drive_opts_argv")
    launch = try symbol("guestfs_launch")
    umountAll = try symbol("guestfs_umount_all")
    shutdown = try symbol("guestfs_shutdown")
    write = try symbol("guestfs_write")
    writeAt = try symbol("guestfs_pwrite")
    fill = try symbol("guestfs_fill")
    remove = try symbol("guestfs_rm")
    mount = try symbol("guestfs_mount_options")
    find = try symbol("guestfs_find0")
    checksums = try symbol("guestfs_checksums_out")
    stat = try symbol("guestfs_lstatnslist")
    freeStat = try symbol("guestfs_free_statns_list")
    readlink = try symbol("guestfs_readlink")
    attributes = try symbol("guestfs_lgetxattrs")
    freeAttributes = try symbol("guestfs_free_xattr_list")
    ls = try symbol("guestfs_ls0")
    download = try symbol("guestfs_download_offset")
    statvfs = try symbol("guestfs_statvfs")
    freeStatvfs = try symbol("guestfs_free_statvfs")
  }
}
