import { existsSync } from "node:fs";

/** OCI runtimes that this machine has besides the agent's own. */
export const installedRuntimes = ["crun", "runc"].filter((name) =>
  ["/usr/bin", "/usr/sbin"].some((directory) => existsSync(`${directory}/${name}`)),
);
