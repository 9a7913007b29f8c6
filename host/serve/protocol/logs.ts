/** Logs of containers of a guest, merged: the past in the order of its times, then what follows. */
export interface OpenLogs {
  readonly kind: "logs";
  readonly guest: string;
  /** Ids of containers; `AGENT_LOG` is the agent's own log. Default: all containers, also those that start later. */
  readonly containers?: readonly string[];
  /** Most lines of the past, of all together: 0 to 10,000; default 500. */
  readonly tail?: number;
  /** Only lines with this text, in any case. At most 200 characters. */
  readonly search?: string;
}

/** Stands for the agent's log in `containers`. No container has this id. */
export const AGENT_LOG = "@agent";

/**
 * Lines that the page has shown (or dropped) since the channel was opened, in all: the server sends at most LOG_WINDOW lines
 * beyond it, and drops and counts what comes meanwhile.
 */
export interface LogsCommand {
  readonly shown: number;
}
export const LOG_WINDOW = 10_000;

export type LogsMessage =
  /** Parts of the log in order: lines, and marks of what is missing between them. */
  | { readonly log: readonly LogPart[] }
  /** All of the past was sent; what follows is new. Sent once. */
  | { readonly isLive: true }
  /** A source has ended or can't be read: one line for people; the others continue. */
  | {
      readonly source: { readonly container: string; readonly state: "ended" | "unreadable"; readonly reason: string };
    };

export type LogPart = LogLines | LogDropped | LogGap;

/** Lines of one source, without their ends. A line over 16 KiB is cut into several. */
export interface LogLines {
  readonly container: string;
  readonly stream: "stdout" | "stderr";
  /** Milliseconds since the epoch; absent if it is unknown. */
  readonly time?: number | undefined;
  readonly lines: readonly string[];
}

/** The page was too slow: so many lines are left out here. */
export interface LogDropped {
  readonly dropped: { readonly lines: number; readonly bytes: number };
}

/** Bytes of a container's output that the agent doesn't keep any more. */
export interface LogGap {
  readonly container: string;
  readonly gap: { readonly from: number; readonly to: number; readonly reason: string };
}
