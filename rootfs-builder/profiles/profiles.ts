import { BuildError } from "../build-error.ts";
import { cloudHypervisor } from "./cloud-hypervisor.ts";
import { firecracker } from "./firecracker.ts";
import { kata } from "./kata.ts";
import type { Profile } from "./profile.ts";
import { qemu } from "./qemu.ts";

const BY_NAME = { qemu, "cloud-hypervisor": cloudHypervisor, firecracker, kata } as const;
export type ProfileName = keyof typeof BY_NAME;
export const PROFILES: readonly ProfileName[] = ["qemu", "cloud-hypervisor", "firecracker", "kata"];

export function profileName(text: string): ProfileName {
  const name = PROFILES.find((known) => known === text);
  if (name === undefined) throw new BuildError(`profile ${text}: unknown; use one of ${PROFILES.join(", ")}`);
  return name;
}

export function profileNamed(name: ProfileName): Profile {
  return BY_NAME[name];
}

/** Returns the output that a profile starts: the requested one, or its default. */
export function outputOf(name: ProfileName, asked: readonly string[]): string {
  const profile = profileNamed(name);
  const [output = profile.defaultOutput, another] = asked;
  if (another !== undefined) throw new BuildError(`profile ${name}: starts one root, not ${asked.join(" and ")}`);
  if (!profile.takes(output)) throw new BuildError(`output ${output}: profile ${name} can't start it`);
  return output;
}
