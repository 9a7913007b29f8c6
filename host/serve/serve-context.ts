import type { StateStore } from "../engine/record/state-store.ts";
import type { LiveView } from "../engine/tree/live-view.ts";
import type { SpanFeed } from "./spans/span-feed.ts";
import type { EndedExecs } from "./terminal/ended-execs.ts";
import type { Owners } from "./terminal/owners.ts";
import type { TreeFeed } from "./tree-feed.ts";

/** Runs a command of guestctl, such as ["stop", "web"]; resolves with what it prints. Rejects with its one line. */
export type RunCommand = (words: readonly string[], signal: AbortSignal) => Promise<string>;

/** State that routes and channels share. */
export interface ServeContext {
  readonly store: StateStore;
  readonly view: Pick<LiveView, "target" | "guests" | "onChange">;
  readonly feed: TreeFeed;
  readonly version: string;
  readonly allowExec: boolean;
  /** Folder of conformance reports. */
  readonly reports: string | undefined;
  readonly run: RunCommand;
  readonly spans: SpanFeed;
  readonly owners: Owners;
  readonly endedExecs: EndedExecs;
  /** Aborts when the server is closed. */
  readonly signal: AbortSignal;
}

/** The same line for everything that --allow-exec permits. */
export const NEEDS_ALLOW_EXEC = "read-only: start guestctl serve with --allow-exec to run, write and kill";
