# passwd, group and shadow of a new machine. root has no password, so that a test can log in on the serial console.
{ lib }:
{ shell, users ? { }, groups ? { } }: # users: { name = id; }, each with a group of its own; groups: { name = id; }
let
  inherit (lib) concat;
  lines = render: set: concat "" (map (n: render n (toString set.${n}) + "\n") (builtins.attrNames set));
in lib.run "accounts" {
  passwd = ''
    root:x:0:0:System administrator:/root:${shell}
    nobody:x:65534:65534:Unprivileged account:/var/empty:/bin/sh
  '' + lines (n: id: "${n}:x:${id}:${id}::/var/empty:/bin/sh") users;
  group = ''
    root:x:0:
    nogroup:x:65534:
  '' + lines (n: id: "${n}:x:${id}:") (users // groups);
  shadow = ''
    root::1::::::
    nobody:!:1::::::
  '' + lines (n: _: "${n}:!:1::::::") users;
  passAsFile = [ "passwd" "group" "shadow" ];
} ''
  mkdir $out
  cp $passwdPath $out/passwd
  cp $groupPath $out/group
  cp $shadowPath $out/shadow
''
