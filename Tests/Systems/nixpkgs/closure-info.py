"""Usage: closure-info.py ATTRS.json OUT: writes what nixpkgs' closureInfo makes of exportReferencesGraph.closure."""
import json
import pathlib
import sys

out = pathlib.Path(sys.argv[2])
with open(sys.argv[1]) as attributes:
    closure = json.load(attributes)["closure"]

with open(out / "registration", "w") as registration:
    for info in closure:
        references = info["references"]
        lines = [info["path"], info["narHash"], info["narSize"], "", len(references), *references]
        registration.writelines(f"{line}\n" for line in lines)
(out / "store-paths").write_text("".join(info["path"] + "\n" for info in closure))
(out / "total-nar-size").write_text(f"{sum(info['narSize'] for info in closure)}\n")
