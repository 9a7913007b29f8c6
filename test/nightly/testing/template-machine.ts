import { Writable } from "node:stream";
import type { AgentClient } from "../../../host/client/agent-client.ts";
import { attach } from "../../../host/engine/attach/attach-by-calls.ts";
import { plugBlockRoot } from "../../../host/engine/guest/block-storages.ts";
import { guestRootStorage } from "../../../host/engine/guest/guest-root.ts";
import type { SandboxGuest } from "../../../host/engine/guest/sandbox-guest.ts";
import { openRootfs, rootfsPlace, SHARE_STORAGE } from "../../../host/engine/guest/shared-folder.ts";
import type { UsedBlockRoot } from "../../../host/engine/image/disk/block-root.ts";
import { imageSpec, processSpec, type RunOptions } from "../../../host/engine/image/image-config.ts";
import { unpackRootfs } from "../../../host/engine/image/unpack-rootfs.ts";
import type { Guest } from "../../../host/vm/guest.ts";

/** Stands for a root file system that the host can't see. */
export const NOWHERE = "/nonexistent";

/** Returns mounts of the guest's files that a container sees at the same path, read-only. */
export const seen = (...paths: readonly string[]) =>
  paths.map((path) => ({ destination: path, source: path, type: "bind", options: ["bind", "ro"] }));

/** Starts a container of an image, unpacked to the shared folder of its guest. */
export async function startFromShare(guest: SandboxGuest, id: string, image: string, options: RunOptions) {
  const directory = guest.folder?.directory ?? "";
  const { config } = await unpackRootfs({ path: image }, directory, id);
  openRootfs(directory, id);
  const OCI = imageSpec({ config }, rootfsPlace(directory, id), options);
  await guest.client.agent.createContainer({ container_id: id, exec_id: id, OCI, storages: [SHARE_STORAGE] });
  await guest.client.agent.startContainer({ container_id: id });
}

/** Starts a container whose root is the guest's own, with changes in memory. It can be in a snapshot. */
export async function startInMemory(guest: SandboxGuest, id: string, options: RunOptions): Promise<void> {
  const rootfs = `/run/kata-containers/${id}/rootfs`;
  const OCI = imageSpec({ config: {} }, { host: NOWHERE, guest: rootfs }, options);
  const storages = [guestRootStorage(rootfs)];
  await guest.client.agent.createContainer({ container_id: id, exec_id: id, OCI, storages });
  await guest.client.agent.startContainer({ container_id: id });
}

/** Starts a container, which sleeps unless told otherwise, with its root on a disk that is plugged in. */
export async function startOnDisk(
  { agent }: AgentClient,
  guest: Guest,
  id: string,
  root: Pick<UsedBlockRoot, "root" | "config">,
  options: RunOptions = { args: ["sleep", "100000"] },
): Promise<void> {
  await using qmp = await guest.qmp();
  const { rootfs, config, storages } = await plugBlockRoot(qmp, "guest", id, root);
  const OCI = imageSpec({ config }, rootfs, options);
  await agent.createContainer({ container_id: id, exec_id: id, OCI, storages: [...storages] });
  await agent.startContainer({ container_id: id });
}

let execs = 0;

/** Runs a command in a container and returns its output. */
export async function execIn(
  guest: Pick<SandboxGuest, "client">,
  id: string,
  args: readonly string[],
): Promise<string> {
  const name = { container_id: id, exec_id: `exec-${++execs}` };
  await guest.client.agent.execProcess({ ...name, process: processSpec({}, NOWHERE, { entrypoint: [], args }) });
  const chunks: Buffer[] = [];
  const collect = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        done();
      },
    });
  const code = await attach(guest.client, name, { stdout: collect(), stderr: collect() });
  const text = Buffer.concat(chunks).toString();
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${text}`);
  return text;
}

/** Program that answers each line with the time, in milliseconds since 1970. */
const CLOCK = 'process.stdin.on("data", () => console.log(Date.now())); console.log("ready")';

/**
 * Returns by how many milliseconds the clock of a guest with such a container differs from the host's, at least: a
 * question takes time, in which both clocks go on.
 */
export async function clockDifference(guest: SandboxGuest, id: string): Promise<number> {
  const { agent } = guest.client;
  const name = { container_id: id, exec_id: `clock-${++execs}` };
  const process = processSpec({}, NOWHERE, { entrypoint: [], args: ["/usr/bin/node", "-e", CLOCK] });
  await agent.execProcess({ ...name, process });
  const read = async () => Buffer.from((await agent.readStdout({ ...name, len: 100 })).data).toString();
  await read();
  const differences: number[] = [];
  for (let tries = 0; tries < 3; tries++) {
    const before = Date.now();
    await agent.writeStdin({ ...name, data: Buffer.from("\n") });
    const then = Number(await read());
    const after = Date.now();
    differences.push(then > after ? then - after : then < before ? before - then : 0);
  }
  await agent.signalProcess({ ...name, signal: 9 });
  await agent.waitProcess(name);
  return Math.min(...differences);
}
