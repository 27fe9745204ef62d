# Store paths that are large, or many files, and that nothing runs.
{ lib }:
{
  # 64,000 files in 1.6 GB, of the sizes and folders that a large system has.
  storeLike = lib.run "store-like-tree" { makeTree = ./make-tree.py; } "python3 $makeTree $out";

  # 100,000 files with nothing in them.
  emptyFiles = lib.run "empty-files" { } ''
    mkdir $out
    for folder in $(seq -w 0 199); do
      mkdir $out/$folder
      seq -f "$out/$folder/%03g" 0 499 | xargs touch
    done
  '';
}
