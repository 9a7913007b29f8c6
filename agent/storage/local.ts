import { chmodSync, mkdirSync } from "node:fs";
import { AgentError } from "../kernel/error.ts";
import type { StorageDriver } from "./storage.ts";

const DEFAULT_MODE = 0o755;
const OPTION = /^mode=(0?[0-7]{1,4})$/;

/** A directory of the guest itself: an emptyDir. One that is there keeps its content. */
export const local: StorageDriver = {
  name: "local",
  async mount(_kernel, { mountPoint, options }) {
    const mode = options.reduce((_, option) => modeOf(option), DEFAULT_MODE);
    mkdirSync(mountPoint, { recursive: true, mode: DEFAULT_MODE });
    chmodSync(mountPoint, mode);
  },
};

function modeOf(option: string): number {
  const [, digits] = OPTION.exec(option) ?? [];
  if (digits === undefined) {
    throw new AgentError("invalid-argument", `local storage: option "${option.slice(0, 80)}" is not mode=OCTAL`);
  }
  return Number.parseInt(digits, 8);
}
