import { readFile } from "node:fs/promises";
import { newLaunchId } from "../container/launch.ts";
import { MemAgent, type MemAgentOptions, type MemAgentSettings } from "../guest/mem-agent/mem-agent.ts";
import { MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID } from "../kernel/constants.ts";
import { killableWriter } from "../kernel/init/killable-write.ts";
import type { Fd, Kernel } from "../kernel/kernel.ts";
import type { Log } from "./log.ts";

export interface OpenMemAgentOptions {
  readonly kernel: Kernel;
  readonly log: Log;
  readonly stateDirectory: string;
  readonly cgroupRoot: string;
  readonly options: MemAgentOptions;
}

/** With the settings of the calls that the agent before got, else with those of the options. */
export function openMemAgent({ kernel, log, stateDirectory, cgroupRoot, options }: OpenMemAgentOptions): MemAgent {
  const { sys, files } = kernel;
  const file = `${stateDirectory}/mem-agent.json`;
  let debugfs: Fd | undefined;
  const guest = {
    readText: (path: string) => readFile(path, "utf8"),
    write: killableWriter(kernel, newLaunchId),
    // Attached nowhere: it is there for who has the descriptor.
    openDebugfs() {
      debugfs ??= sys.detachedMount("debugfs", [], MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
      return `/proc/${process.pid}/fd/${debugfs}`;
    },
    cgroupRoot,
    now: () => performance.now(),
    log: (fields: object, message: string) => log.info(fields, message),
  };
  const saved = options.enabled && files.exists(file) ? readSettings(files.readText(file)) : {};
  const agent = new MemAgent(guest, { ...options, ...saved }, (settings) =>
    files.replace(file, JSON.stringify(settings)),
  );
  agent.start().then(
    (problems) => {
      for (const problem of problems) log.warn(problem);
    },
    (error: unknown) => log.error({ error: String(error) }, "memory agent"),
  );
  return agent;
}

/** Nothing of a file that can't be read. */
function readSettings(text: string): Partial<MemAgentSettings> {
  try {
    return JSON.parse(text) as MemAgentSettings;
  } catch {
    return {};
  }
}
