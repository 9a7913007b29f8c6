/**
 * A terminal. With `exec` and `command`, starts the command, or attaches if this exec was started before: choose the id once
 * (`x-` and random letters), keep it, and send the same frame after a reload, in a second tab, or to a restarted server.
 * Without `command`, attaches to an exec that exists; without both, observes the container's first process.
 */
export interface OpenTerminal {
  readonly kind: "terminal";
  readonly guest: string;
  readonly container: string;
  readonly exec?: string;
  /** Needs --allow-exec. */
  readonly command?: readonly string[] | undefined;
  readonly cols: number;
  readonly rows: number;
  /**
   * Position of a page that still shows the bytes before it: continues there. Without it, the output that the agent keeps
   * (the last MiB) comes first.
   */
  readonly from?: { readonly epoch: string; readonly offset: number };
  /** Only looks: never becomes the owner, and sends no input. Always so without --allow-exec. */
  readonly observe?: boolean;
}

export type TerminalCommand =
  | { readonly resize: { readonly cols: number; readonly rows: number } }
  /** Becomes the owner; the other one becomes an observer. Needs --allow-exec. */
  | { readonly takeover: true }
  /**
   * Bytes of output that the page has shown since the channel was opened, in all: the server sends at most TERMINAL_WINDOW
   * bytes beyond it. Send it at least every 64 KiB, such as from the callback of xterm's write().
   */
  | { readonly shown: number };

export type TerminalMessage =
  /**
   * Attached: the bytes that follow begin at `from.offset`. If `from` isn't where the page's own output ends, it resets the
   * terminal first. Sent again when the channel becomes owner or observer.
   */
  | {
      readonly attached: {
        readonly exec: string;
        readonly from: { readonly epoch: string; readonly offset: number };
        /** Offset at which the output ended when it attached: what comes before it was printed earlier. */
        readonly until?: number;
        /** True if this channel sends input and sizes; false for an observer. */
        readonly owner: boolean;
        /** False for a process without a terminal: line feeds need carriage returns. */
        readonly isTerminal: boolean;
      };
    }
  /** Bytes of output that are gone, before those that follow. The page shows it as a line. */
  | { readonly gap: { readonly from: number; readonly to: number; readonly reason: string } }
  /** The connection to the guest was lost: one line; undefined once it is back. Input may be sent meanwhile. */
  | { readonly lost: string | null }
  /** Bytes of input that the process has got since the channel was opened, in all. */
  | { readonly taken: number }
  /** The process ended, and all its output was sent. The channel's `end` follows. */
  | { readonly ended: { readonly code: number; readonly signal: number } };

/** Bytes of output that the server sends beyond what the page has shown. */
export const TERMINAL_WINDOW = 512 * 1024;
/** Bytes of input that the page may send beyond `taken`; one more ends the channel. The page keeps the rest. */
export const INPUT_WINDOW = 256 * 1024;
/** Most bytes of input in one binary frame. */
export const INPUT_FRAME = 64 * 1024;
