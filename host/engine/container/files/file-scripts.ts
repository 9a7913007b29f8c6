/** Line on stderr that reports that the file is open. */
export const OPENED = "open\n";

/** Writes "open" to stderr, then the file $2 from byte $1 on to stdout. */
export const READ_SCRIPT = `
if [ -d "$2" ]; then echo "$2: Is a directory" >&2; exit 1; fi
if [ -e "$2" ] && ! [ -f "$2" ]; then echo "$2: not a regular file" >&2; exit 1; fi
exec <"$2" || exit
echo open >&2
[ "$1" = 0 ] || dd bs=1 skip="$1" count=0 2>/dev/null
exec cat
`;
/** Writes "open" to stderr, then stdin to the file $2 at byte $1. $3 is how it is opened, $4 the octal mode of a new file, or empty if it must exist. */
export const WRITE_SCRIPT = `
if [ -d "$2" ]; then echo "$2: Is a directory" >&2; exit 1; fi
if [ -e "$2" ] && ! [ -f "$2" ]; then echo "$2: not a regular file" >&2; exit 1; fi
if ! [ -e "$2" ]; then
  if [ -z "$4" ]; then echo "$2: No such file or directory" >&2; exit 1; fi
  new=1
  umask 077
fi
case $3 in
  truncate) exec >"$2" ;;
  exclusive) set -C; exec >"$2" ;;
  append) exec >>"$2" ;;
  *) exec 1<>"$2" ;;
esac || exit
[ -z "$new" ] || chmod "$4" "$2" || exit
echo open >&2
[ "$1" = 0 ] || [ "$3" = append ] || dd bs=1 seek="$1" count=0 conv=notrunc 2>/dev/null || exit
exec cat
`;
