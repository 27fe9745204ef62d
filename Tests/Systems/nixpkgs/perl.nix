# Debian's perl looks for its modules below /usr: a wrapper says where they are.
{ pkgs, debian }:
let
  core = "${debian.perl}/lib/perl/5.40:${debian.perl}/share/perl/5.40:${debian.perl}/lib/perl-base";
  module = packages: { perlPackages = packages; };
  modules = {
    ConfigIniFiles = module [ "libconfig-inifiles-perl" ];
    FileCopyRecursive = module [ "libfile-copy-recursive-perl" ];
    FileSlurp = module [ "libfile-slurp-perl" ];
    JSON = module [ "libjson-perl" ];
    ListCompare = module [ "liblist-compare-perl" ];
    NetDBus = module [ "libnet-dbus-perl" "libxml-twig-perl" "libxml-parser-perl" ];
    XMLLibXML = module [ "libxml-libxml-perl" "libxml-sax-perl" "libxml-sax-base-perl" "libxml-namespacesupport-perl" ];
    XMLSAX = module [ "libxml-sax-perl" "libxml-sax-base-perl" "libxml-namespacesupport-perl" ];
    XMLSAXBase = module [ "libxml-sax-base-perl" ];
  };
  wrapped = chosen:
    let
      names = builtins.concatMap (module: module.perlPackages) chosen;
      folders = builtins.concatMap (name: [ "${debian.${name}}/share/perl5" "${debian.${name}}/lib/perl5/5.40" ]) names;
    in
    pkgs.runCommand "perl-${debian.perl.version}" { } ''
      mkdir -p $out/bin
      makeWrapper ${debian.perl}/bin/perl $out/bin/perl \
        --set PERL5LIB ${builtins.concatStringsSep ":" (folders ++ [ core ])}
    '' // {
      pname = "perl";
      version = debian.perl.version;
      withPackages = choose: wrapped (choose modules);
      libPrefix = "lib/perl5";
    };
in
{
  perl = wrapped [ ];
  perlPackages = modules // { makePerlPath = _: core; };
}
