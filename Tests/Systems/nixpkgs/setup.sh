# What a builder of the set starts with: the part of nixpkgs' stdenv that modules of NixOS use, under its names.
set -eu -o pipefail
shopt -s inherit_errexit nullglob

if [ -e .attrs.sh ]; then
  . ./.attrs.sh
  for _output in "${!outputs[@]}"; do export "$_output=${outputs[$_output]}"; done
  _words=("${nativeBuildInputs[@]}" "${buildInputs[@]}")
else
  read -ra _words <<< "${nativeBuildInputs:-} ${buildInputs:-}"
fi

# What has inputs finds these before the programs that every builder has.
PATH=
addToSearchPath() {
  if [ -d "$2" ]; then export "$1=${!1:+${!1}:}$2"; fi
}
for _input in ${_words[@]+"${_words[@]}"} $initialPath; do
  addToSearchPath PATH "$_input/bin"
done
export PATH SHELL
for _input in ${_words[@]+"${_words[@]}"}; do
  if [ -f "$_input/nix-support/setup-hook" ]; then . "$_input/nix-support/setup-hook"; fi
done

export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1} HOME=/homeless-shelter PYTHONDONTWRITEBYTECODE=1
export STRIP=strip RANLIB=ranlib AR=ar
umask 0022

# A function of that name, a variable with shell in it, or nothing.
runHook() {
  if declare -F "$1" > /dev/null; then "$1"; else eval "${!1:-}"; fi
}
runPhase() {
  if [ -n "${!1:-}" ]; then eval "${!1}"; else "$1"; fi
}

# substitute FROM TO (--replace[-fail|-warn|-quiet] OLD NEW | --subst-var NAME | --subst-var-by NAME TEXT)...
substitute() {
  local from=$1 to=$2 text old new mode
  shift 2
  IFS= read -r -d '' text < "$from" || true
  while [ $# -gt 0 ]; do
    mode=$1
    case $mode in
      --replace | --replace-fail | --replace-warn | --replace-quiet) old=$2; new=$3; shift 3 ;;
      --subst-var) old="@$2@"; new=${!2}; shift 2 ;;
      --subst-var-by) old="@$2@"; new=$3; shift 3 ;;
      *) echo "substitute: unknown argument $mode" >&2; return 1 ;;
    esac
    if [ "$mode" = --replace-fail ] && [[ $text != *"$old"* ]]; then
      echo "substitute: '$old' is not in $from" >&2
      return 1
    fi
    text=${text//"$old"/"$new"}
  done
  # A copy of a file in the store may not be written to.
  if [ -e "$to" ]; then chmod +w "$to"; fi
  printf %s "$text" > "$to"
}
substituteInPlace() {
  local -a files=()
  while [ $# -gt 0 ] && [[ $1 != --* ]]; do files+=("$1"); shift; done
  local file
  for file in "${files[@]}"; do substitute "$file" "$file" "$@"; done
}
# Each variable of the environment that starts with a lower case letter.
substituteAll() {
  local -a arguments=()
  local name
  for name in $(compgen -e | grep '^[a-z]'); do
    if [ -n "${!name+set}" ]; then arguments+=(--subst-var "$name"); fi
  done
  substitute "$1" "$2" "${arguments[@]}"
}
substituteAllInPlace() { substituteAll "$1" "$1"; }

# stripDirs STRIP RANLIB FOLDERS FLAGS
stripDirs() {
  local folder
  for folder in $3; do
    if [ -d "$out/$folder" ]; then
      find "$out/$folder" -type f -exec "$1" $4 {} + 2> /dev/null || true
    fi
  done
}

patchShebangs() {
  local file line program found
  while [[ ${1:-} == --* ]]; do shift; done
  find "$@" -type f -perm -0100 | while read -r file; do
    IFS= read -r line < "$file" 2> /dev/null || continue
    [[ $line == '#!'* && $line != *"$NIX_STORE"* ]] || continue
    program=${line#'#!'}
    program=${program# }
    program=${program#*/env }
    found=$(command -v "$(basename "${program%% *}")") || continue
    sed -i "1s|.*|#!$found${program#"${program%% *}"}|" "$file"
  done
}

# makeWrapper PROGRAM WRAPPER ARGUMENTS..., where the arguments are those of nixpkgs that are used.
makeWrapper() {
  local program=$1 wrapper=$2
  shift 2
  mkdir -p "$(dirname "$wrapper")"
  {
    echo "#!$SHELL -e"
    local flags='' name='"$0"'
    while [ $# -gt 0 ]; do
      case $1 in
        --set) printf 'export %s=%q\n' "$2" "$3"; shift 3 ;;
        --set-default) printf 'export %s=${%s-%q}\n' "$2" "$2" "$3"; shift 3 ;;
        --unset) echo "unset $2"; shift 2 ;;
        --prefix) printf 'export %s=%q${%s:+%q$%s}\n' "$2" "$4" "$2" "$3" "$2"; shift 4 ;;
        --suffix) printf 'export %s=${%s:+$%s%q}%q\n' "$2" "$2" "$2" "$3" "$4"; shift 4 ;;
        --add-flags) flags="$flags $2"; shift 2 ;;
        --argv0) name=$2; shift 2 ;;
        --inherit-argv0) shift ;;
        --run) echo "$2"; shift 2 ;;
        *) echo "makeWrapper: unknown argument $1" >&2; return 1 ;;
      esac
    done
    printf 'exec -a %s %q%s "$@"\n' "$name" "$program" "$flags"
  } > "$wrapper.new"
  chmod 0755 "$wrapper.new"
  mv "$wrapper.new" "$wrapper"
}
wrapProgram() {
  local program=$1
  local hidden
  hidden=$(dirname "$program")/.$(basename "$program")-wrapped
  shift
  mv "$program" "$hidden"
  makeWrapper "$hidden" "$program" "$@"
}

unpackPhase() {
  local source
  for source in ${srcs:-${src:-}}; do
    if [ -d "$source" ]; then
      cp -r --no-preserve=mode,ownership "$source" "$(stripHash "$source")"
      sourceRoot=${sourceRoot:-$(stripHash "$source")}
    else
      tar -xf "$source"
      sourceRoot=${sourceRoot:-$(find . -mindepth 1 -maxdepth 1 -type d | head -n 1)}
    fi
  done
  cd "${sourceRoot:-.}"
}
stripHash() { local name=${1##*/}; echo "${name#*-}"; }
patchPhase() { :; }
configurePhase() { :; }
buildPhase() { :; }
checkPhase() { :; }
installPhase() { :; }
fixupPhase() { :; }

genericBuild() {
  local phase flag
  # Commands of packages may name what is not set.
  set +u
  if [ -n "${buildCommandPath:-}" ]; then
    . "$buildCommandPath"
    return
  fi
  if [ -n "${buildCommand:-}" ]; then
    eval "$buildCommand"
    return
  fi
  for phase in ${phases:-unpackPhase patchPhase configurePhase buildPhase installPhase fixupPhase}; do
    flag=${phase^}
    flag=dont${flag%Phase}
    if [ -z "${!flag:-}" ]; then runPhase "$phase"; fi
  done
}
