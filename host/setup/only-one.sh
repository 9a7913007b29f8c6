# One set-up at a time: another checkout's or terminal's would replace what this one builds in the cache.

# be_only_one ARGUMENT…: holds the cache's lock until this script ends. Waits for another set-up, and then begins again
# with the script's arguments, as it has installed something.
be_only_one() {
  if [ "${GUESTD_SETUP_LOCKED:-}" = "$cache" ] || ! has flock; then return 0; fi
  exec 9>>"$cache/setup.lock"
  if ! flock -n 9; then
    say "another set-up is running (process $(cat "$cache/setup.pid" 2>/dev/null || echo unknown)); waiting for its end"
    flock 9 || fail "cannot lock $cache/setup.lock; repeat this when the other set-up has ended"
    GUESTD_SETUP_LOCKED=$cache exec sh "$here/setup.sh" "$@" --yes
  fi
  echo $$ >"$cache/setup.pid"
}
