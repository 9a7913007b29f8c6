#include "../child.h"
#include "server.h"
#include <string.h>

/* Arguments: root, socket, capabilities to keep. Ends the plan: it serves until the socket is closed. */
OPERATION(serve_files) {
  static struct server server;
  int root = child_slot(child, op, 0);
  const int kept[] = {root, child_slot(child, op, 1), child->report};
  child_close_others(kept, 3);
  memset(server.handles, -1, sizeof server.handles);
  server.answered = -1;
  server.socket = kept[1];
  server.handles[0] = root;
  umask(0);
  int result = server_confine(root, plan_u64(op, 2));
  if (result < 0) return result;
  close(child->report);
  while (server_turn(&server)) continue;
  _exit(0);
}
