# telling COMMAND…: runs a command of minutes with its output in $log, and says every 10 s how long it has run and the last
# line of the log. Returns its exit status.
telling() {
  tell_progress &
  teller=$!
  status=0
  "$@" >>"$log" 2>&1 || status=$?
  kill "$teller" 2>/dev/null || true
  wait "$teller" 2>/dev/null || true
  return "$status"
}

# Ends with the script as well. A sleep may outlive this loop, so it holds none of our output open.
tell_progress() {
  begun=$(date +%s)
  while sleep "${GUESTD_TELL_SECONDS:-10}" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    say "  $(($(date +%s) - begun)) s: $(tail -n 1 "$log" | sed 's/^ *//' | cut -c 1-80)"
  done
}
