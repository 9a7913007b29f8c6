import { InvalidArgumentError } from "commander";
import type { Rlimit } from "../../engine/image/image-config.ts";

const NAMES = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

/** Parses docker's `--ulimit`, "nofile=1024:4096" or "nofile=1024", and appends it. Throws InvalidArgumentError. */
export function ulimits(text: string, before: readonly Rlimit[] = []): readonly Rlimit[] {
  const [, name = "", soft = "", hard = soft] = /^([a-z]+)=(\d{1,15})(?::(\d{1,15}))?$/.exec(text) ?? [];
  if (!NAMES.has(name) || Number(soft) > Number(hard))
    throw new InvalidArgumentError("Expected NAME=SOFT or NAME=SOFT:HARD, such as nofile=1024:4096.");
  return [...before, { type: `RLIMIT_${name.toUpperCase()}`, soft: Number(soft), hard: Number(hard) }];
}
