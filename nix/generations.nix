# The generations of an image, for the argument `generations` of ./make-disk-image.nix.
{
  # Evaluated NixOS systems, or their `config`; the first is generation 1.
  systems
  # The number of the generation that boots by default.
, current ? builtins.length systems
  # The profile that they are of, as of `nixos-rebuild --profile-name`.
, profile ? "system"
}:
let
  configs = map (system: system.config or system) systems;
  toplevels = map (config: "${config.system.build.toplevel}") configs;
  isTwice = toplevel: builtins.length (builtins.filter (other: other == toplevel) toplevels) > 1;
  check = condition: message: condition || throw message;
in

# Each contradiction is refused here, and again by `slipway build`.
assert check (systems != [ ]) "generations: systems is empty; give at least one.";
assert check (current >= 1 && current <= builtins.length systems)
  "generations: there is no generation ${toString current}; current is 1 to ${toString (builtins.length systems)}.";
assert check (builtins.match "[A-Za-z0-9_]+" profile != null)
  "generations: bootloaders make no entries for a profile of the name '${profile}'; use letters, digits and '_'.";
assert check (!builtins.any isTwice toplevels) "generations: a system is given twice; leave one of them out.";

{ inherit configs current profile; }
