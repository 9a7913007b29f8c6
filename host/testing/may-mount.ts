import { spawnSync } from "node:child_process";

/** True if a program can create mounts in its own namespace here; root always can. */
export const mayMount = spawnSync("unshare", ["--user", "--map-root-user", "--mount", "true"]).status === 0;

/** Suffix for the names of tests that are skipped without `mayMount`. */
export const whyNoMounts = mayMount ? "" : " (skipped: this user can't create a user namespace)";
