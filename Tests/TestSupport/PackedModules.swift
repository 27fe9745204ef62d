internal import Command
package import SystemPackage

/// A kernel's modules as other distributions pack them, made of this host's plain ones by the real tools.
package enum PackedModules {
  /// Copies a modules folder, packs its modules, and names the packed files in its index.
  ///
  /// - Parameters:
  ///   - folder: `/lib/modules/VERSION`.
  ///   - target: becomes a folder of the same name in there.
  ///   - packings: `xz`, `zst`, `gz` or empty for none, in turn over the modules.
  ///   - only: the modules to copy, relative to the folder; nil for all.
  /// - Returns: the new folder.
  package static func make(
    of folder: FilePath, in target: FilePath, packings: [String], only: [String]
  ) async throws -> FilePath {
    let place = target.appending(folder.lastComponent?.string ?? "modules")
    let plan = zip(only, 0...).map { "\($0) \(packings[$1 % packings.count])" }.joined(separator: "\n")
    // As the kernel's own makefile packs them (scripts/Makefile.modinst).
    let script = """
      set -e
      mkdir -p "$2"
      cp "$1"/modules.* "$2"/
      while read -r module packing; do
        mkdir -p "$2/${module%/*}"
        cp "$1/$module" "$2/$module"
        case $packing in
          xz) xz --check=crc32 --lzma2=dict=1MiB "$2/$module" ;;
          zst) zstd -q -T0 --rm "$2/$module" ;;
          gz) gzip -n "$2/$module" ;;
          *) continue ;;
        esac
        name=$(printf %s "$module" | sed 's/[.]/[.]/g')
        sed -i "s|$name\\\\([: ]\\\\)|$module.$packing\\\\1|g; s|$name\\$|$module.$packing|" "$2/modules.dep"
      done
      """
    try await SubprocessRunner().run(
      Command("sh", ["-c", script, "sh", folder.string, place.string], input: plan + "\n"))
    return place
  }
}
