# As much of nixpkgs' lib as ../make-disk-image.nix and ../module.nix use, with the same meaning.
rec {
  inherit (builtins) all any elem filter head mapAttrs;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: set: if condition then set else { };
  filterAttrs = wanted: set: builtins.removeAttrs set
    (filter (name: !wanted name set.${name}) (builtins.attrNames set));
  unique = builtins.foldl' (seen: item: if elem item seen then seen else seen ++ [ item ]) [ ];
  genAttrs = names: value: builtins.listToAttrs (map (name: { inherit name; value = value name; }) names);
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasInfix = infix: text: builtins.length (builtins.split (builtins.replaceStrings [ "." ] [ "\\." ] infix) text) > 1;
  removePrefix = prefix: text:
    if hasPrefix prefix text then builtins.substring (builtins.stringLength prefix) (-1) text else text;
  splitString = separator: text: filter builtins.isString (builtins.split separator text);
  versionAtLeast = version: least: builtins.compareVersions version least != -1;
  trivial.release = "24.11";
  escapeShellArg = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  escapeShellArgs = list: builtins.concatStringsSep " " (map escapeShellArg list);

  throwIfNot = condition: message: value: if condition then value else throw message;
  assertMsg = condition: message: condition || throw message;
  assertOneOf = name: value: known: assertMsg (elem value known)
    "${name} must be one of ${builtins.toJSON known}, but is: ${builtins.toJSON value}";

  getBin = package: package.bin or package.out or package;
  getOutput = output: package: package.${output} or package.out or package;
  cleanSource = source: source;

  # The module system: a value, and how much it counts.
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkDefault = mkOverride 1000;
  mkOptionDefault = mkOverride 1500;
  mkImageMediaOverride = mkOverride 60;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkOption = option: option // { _type = "option"; };
  literalExpression = text: { _type = "literalExpression"; inherit text; };
  types = {
    bool = "bool";
    package = "package";
    raw = "raw";
    str = "str";
    enum = values: { enum = values; };
    lazyAttrsOf = type: { lazyAttrsOf = type; };
  };
}
