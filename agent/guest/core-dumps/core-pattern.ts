import type { Files } from "../../kernel/files.ts";
import { FACTS } from "./core-file.ts";

/** The handler, which the kernel runs for each process that dumps its core. */
const HANDLER = "/usr/lib/guestd/keep-core";
const [PATTERN, PIPE_LIMIT] = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/core_pipe_limit"];
/**
 * Processes that may dump at a time; the kernel skips others. It waits for their handlers, so their cgroups are known. With
 * few of them, a container that crashes without end would hide the crashes of others.
 */
const AT_ONCE = 16;
/** Seconds that a process may take; its core is cut then. */
const SECONDS = 10;
/** Core dumps that may wait for the agent. */
const PLACES = 16;

/** Makes the kernel hand core dumps to the handler, which puts up to `limit` bytes of each into `directory`. */
export function setCorePattern(
  { exists, writeText }: Pick<Files, "exists" | "writeText">,
  { directory, limit }: { readonly directory: string; readonly limit: number },
): void {
  if (!exists(HANDLER)) throw new Error(`${HANDLER} is missing in this image; build it again`);
  writeText(PIPE_LIMIT, `${AT_ONCE}`);
  writeText(PATTERN, `|${HANDLER} ${directory} ${limit} ${SECONDS} ${PLACES} ${FACTS}`);
}
