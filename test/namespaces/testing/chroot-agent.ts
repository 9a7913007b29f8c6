import { spawnSync } from "node:child_process";
import { join } from "node:path";

const repository = join(import.meta.dirname, "../../..");

/** Shell command that starts the agent in Python, for `guestctl conformance --start`. */
export const CHROOT_AGENT = `exec python3 ${repository}/test/namespaces/testdata/chroot-agent.py ${repository}/proto {address}`;

/** Reason why the agent in Python can't be started on this machine; undefined if it can. */
export const whyNoPython =
  spawnSync("python3", ["--version"]).status === 0 ? undefined : "no python3: apt-get install python3";
