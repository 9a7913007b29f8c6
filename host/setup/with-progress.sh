# with_progress COMMAND…: runs a long command with its output in $log. Every 10 s, prints the elapsed time and the last
# line of the log. Returns the command's exit status.
with_progress() {
  print_progress 9>&- &
  printer=$!
  status=0
  "$@" >>"$log" 2>&1 || status=$?
  kill "$printer" 2>/dev/null || true
  wait "$printer" 2>/dev/null || true
  return "$status"
}

# Ends when the script exits. A sleep may outlive this loop, so it must not keep our output or the set-up's lock open.
print_progress() {
  begun=$(date +%s)
  while sleep "${GUESTD_PROGRESS_SECONDS:-10}" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    say "  $(($(date +%s) - begun)) s: $(tail -n 1 "$log" | sed 's/^ *//' | cut -c 1-80)"
  done
}
