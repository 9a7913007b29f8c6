/** The keys, line by line. */
export const TOP_HELP: readonly string[] = [
  "up, down, PgUp, PgDn, Home, End   select a line",
  "right, left, Enter, Space         unfold and fold it",
  "/                                 show lines with a text: guests, containers, images, commands, states",
  "Esc                               forget the text",
  "N C M I T O                       sort by name, CPU, memory, disk, network (T), stdio (O)",
  "< >                               sort by the column before or after",
  "l                                 logs of the container, or of the guest's agent",
  "s                                 shell in the container",
  "t                                 shell in the lower part of the screen; ^] closes it",
  "d                                 describe it: events, and the launch plan",
  "k                                 kill the container or exec, after confirmation",
  "?                                 this help",
  "q, ^C                             quit",
  "",
  "CPU% is of one processor. PSI% is the share of the last interval in which tasks waited. UNACK are bytes that a process",
  "printed and no client has acknowledged. A dash: unknown, or the agent doesn't report it.",
];
