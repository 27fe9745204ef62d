# The helper for NixOS's test driver as a Python package, for `extraPythonPackages` of a test. README.md of the folder
# above is the manual. A folder with py.typed, as mypy reads the types of no single module.
{ pkgs, python3Packages }:
python3Packages.toPythonModule (pkgs.runCommand "slipway-test-driver" { } ''
  folder=$out/${python3Packages.python.sitePackages}/slipway
  install -D -m 644 ${./slipway.py} $folder/__init__.py
  touch $folder/py.typed
'')
