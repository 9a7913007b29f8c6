import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { SHARED_IN_GUEST, SHARED_TAG, shareOf } from "../../../host/engine/guest/shared-folder.ts";
import { openToGuest } from "../../../host/vm/guard-share.ts";
import { Guest } from "../../../host/vm/guest.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { echo } from "../first-container.ts";
import { cpuMs } from "../process-usage.ts";
import { Samples } from "../samples.ts";

const MEMORY_MIB = 512;
const NTH = ["first", "second"] as const;

/** Times of one call in all rounds, in ms. */
interface CallSamples {
  /** Time by the host's clock. */
  readonly wall: Samples;
  /** CPU time of QEMU, which depends less on the machine's load. */
  readonly cpu: Samples;
}

export interface GuestVariant {
  /** Folder with vmlinuz, initrd.cpio and guest.img. */
  readonly image: string;
  /** Milliseconds between the guest's "listening" and the host's first call. */
  readonly idleMs: number;
  /** Value of QEMU's -cpu, if not the default. */
  readonly cpu?: string | undefined;
}

/** Measures the first calls to fresh guests of one variant, and the same calls for a second container. */
export class GuestFirstCalls {
  /** Samples by name of the call, in call order. */
  readonly calls = new Map<string, CallSamples>();
  readonly #variant: GuestVariant;

  constructor(variant: GuestVariant) {
    this.#variant = variant;
  }

  /** Boots a guest, makes the calls, and powers it off. Rejects if a container prints unexpected output. */
  async round(): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), "guestd-bench-guest-"));
    const share = shareOf(directory);
    mkdirSync(share.directory);
    const { image, idleMs, cpu } = this.#variant;
    try {
      await using guest = await Guest.start({
        memoryMib: MEMORY_MIB,
        kernel: join(image, "vmlinuz"),
        initrd: join(image, "initrd.cpio"),
        image: join(image, "guest.img"),
        shares: [share],
        qemuArgs: cpu === undefined ? [] : ["-cpu", cpu],
      });
      const since = performance.now();
      for (const name of NTH) openToGuest(share, makeBusyboxRootfs(join(share.directory, name, "rootfs")));
      await sleep(Math.max(0, idleMs - (performance.now() - since)));
      await using client = await connect(guest.address(1024));
      await this.#callAll(client, guest.pids[0] ?? Number.NaN);
      await guest.powerOff(() => client.agent.destroySandbox({}));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #callAll({ agent, health }: AgentClient, qemu: number): Promise<void> {
    const storage = { driver: "virtio-fs", source: SHARED_TAG, fstype: "virtiofs", options: ["nodev"] };
    const storages = [{ ...storage, mount_point: `${SHARED_IN_GUEST}/` }];
    await this.#time(qemu, "Check", () => health.check({}));
    await this.#time(qemu, "CreateSandbox", () =>
      agent.createSandbox({ sandbox_id: "bench", hostname: "bench", storages }),
    );
    for (const nth of NTH) {
      const container_id = nth;
      const OCI = ociSpec(`${SHARED_IN_GUEST}/${nth}/rootfs`, ["sleep", "1000"]);
      await this.#time(qemu, `${nth} create`, () => agent.createContainer({ container_id, exec_id: nth, OCI }));
      await this.#time(qemu, `${nth} start`, () => agent.startContainer({ container_id }));
      const text = await this.#time(qemu, `${nth} exec, output, wait`, () => echo(agent, container_id));
      if (text !== "hello\n") throw new Error(`${nth} exec: "${text}"`);
    }
  }

  async #time<T>(qemu: number, name: string, call: () => Promise<T>): Promise<T> {
    const samples = this.calls.get(name) ?? { wall: new Samples(), cpu: new Samples() };
    this.calls.set(name, samples);
    const before = cpuMs(qemu);
    const result = await samples.wall.time(call);
    samples.cpu.add(cpuMs(qemu) - before);
    return result;
  }
}
