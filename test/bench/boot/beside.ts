import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { basename, join } from "node:path";
import { chooseAccelerator } from "../../../host/vm/accelerator.ts";
import { repositoryRoot } from "../../../host/vm/paths.ts";
import { chooseVsock } from "../../../host/vm/vsock-device.ts";
import { otherInitramfs, ownInitramfs, programOf } from "./agent-initramfs.ts";
import { AgentRounds } from "./agent-rounds.ts";
import { agentsTable, type MeasuredGuest } from "./agents-table.ts";

/** Only cgroups of version 2, for both agents: kata-agent mounts those of version 1 unless told. */
const CGROUPS = ["cgroup_no_v1=all", "systemd.unified_cgroup_hierarchy=1", "agent.unified_cgroup_hierarchy=true"];

/**
 * Boots, in turns, the agent at `path` as PID 1 of an initramfs, guestd's root as an initramfs, and guestd's image, with the
 * same kernel. Returns the table. `directory` is for their files.
 */
export async function bootBeside(path: string, count: number, directory: string): Promise<string> {
  const program = programOf(path);
  if ((await chooseVsock()) === "serial")
    throw new Error("--beside: other agents need a vsock device: run ./guestctl setup --vsock-device");
  const initramfs = { other: await otherInitramfs(program, directory), own: await ownInitramfs(repositoryRoot) };
  const archived = (name: keyof typeof initramfs) => {
    const initrd = join(directory, `${name}.cpio.gz`);
    writeFileSync(initrd, initramfs[name].archive);
    return { initrd, image: false as const, kernelArgs: CGROUPS };
  };
  const other: MeasuredGuest = {
    rounds: new AgentRounds(basename(program), archived("other")),
    initramfs: initramfs.other,
  };
  const own: MeasuredGuest = { rounds: new AgentRounds("guestd", archived("own")), initramfs: initramfs.own };
  const image: MeasuredGuest = { rounds: new AgentRounds("its image", { kernelArgs: CGROUPS }) };
  for (let round = 0; round < count; round++) {
    for (const { rounds } of [other, own, image]) await rounds.round();
  }
  const { kind } = await chooseAccelerator();
  const notes = `Medians of ${count} guests of each, in turns; ${kind}, ${availableParallelism()} CPUs, load ${loadavg()[0]?.toFixed(1)}.`;
  return `${agentsTable(other, own, image)}${notes}\n`;
}
