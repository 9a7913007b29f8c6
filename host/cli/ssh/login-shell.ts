/**
 * Becomes the user's shell in the user's home, as sshd does: the shell of /etc/passwd, or /bin/sh if that doesn't exist or
 * refuses logins. Needs no program of the container besides its shell.
 */
const LOGIN = `
shell=/bin/sh
if [ -r /etc/passwd ] && [ -r /proc/self/status ]; then
  while read -r key uid _; do if [ "$key" = Uid: ]; then break; fi; done </proc/self/status
  while IFS=: read -r user _ id _ _ _ path; do
    if [ "$id" = "$uid" ]; then export USER="$user" LOGNAME="$user"; shell=$path; break; fi
  done </etc/passwd
fi
case $shell in */nologin | */false) shell=/bin/sh ;; esac
[ -x "$shell" ] || shell=/bin/sh
export SHELL="$shell"
cd 2>/dev/null || cd /
if [ $# = 0 ]; then exec "$shell" -l; fi
exec "$shell" -c "$1"
`;

/** Returns the words that run a command in the user's shell, or start that shell. */
export function loginShell(command: string | undefined): readonly string[] {
  return ["sh", "-c", LOGIN, "sh", ...(command === undefined ? [] : [command])];
}
