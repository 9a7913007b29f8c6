import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentClient, connect } from "../../../host/client/agent-client.ts";
import { SHARE_STORAGE, SHARED_IN_GUEST, shareOf } from "../../../host/engine/guest/shared-folder.ts";
import { openToGuest } from "../../../host/vm/guard-share.ts";
import { Guest } from "../../../host/vm/guest.ts";
import type { GuestOptions } from "../../../host/vm/guest-options.ts";
import { makeBusyboxRootfs } from "../../scenarios/busybox-rootfs.ts";
import { ociSpec } from "../../scenarios/oci.ts";
import { CallCpu, cpuMs } from "../process-usage.ts";
import { Samples } from "../samples.ts";
import { readSpeed } from "../stdout-speed.ts";
import { type GuestMarks, guestMarks } from "./guest-marks.ts";

/** Memory for the largest initramfs: the archive, its content, and the agent. */
const MEMORY_MIB = 1024;
/** Time limit for an agent to accept a connection after its guest's ready line. */
const LIMIT_MS = 60_000;
const RETRY_MS = 20;
const READ_MIB = 8;

/** Printed by a guest once its vsock driver is loaded: by guestd, which then listens, or by the first stage of another agent. */
const READY = /guestd: listening|^first stage:/;

/** Times of one kind of guest in all rounds: in seconds, and megabytes (10^6) per second. */
export class AgentRounds {
  /** From QEMU's exec to the kernel's start, to PID 1, to the agent's exec, to the first answered Check: one after the other. */
  readonly kernel = new Samples();
  readonly init = new Samples();
  readonly exec = new Samples();
  readonly check = new Samples();
  /** From QEMU's exec to the first answered Check. */
  readonly answer = new Samples();
  /** Processor time of QEMU until then, which depends less on the machine's load. */
  readonly answerCpu = new Samples();
  /** From QEMU's exec to the output of a first container. */
  readonly output = new Samples();
  readonly outputCpu = new Samples();
  readonly speed = new Samples();
  readonly name: string;
  readonly #options: GuestOptions;

  constructor(name: string, options: GuestOptions) {
    this.name = name;
    this.#options = options;
  }

  /** Boots a guest, runs a container with its root in the shared folder, and ends the guest. */
  async round(): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), "guestd-bench-boot-"));
    const share = shareOf(directory);
    mkdirSync(share.directory);
    try {
      makeBusyboxRootfs(join(share.directory, "first", "rootfs"));
      const begun = performance.now();
      const options = { ...this.#options, memoryMib: MEMORY_MIB, shares: [share], readyLine: READY };
      let marks: GuestMarks | undefined;
      const onConsole = (line: string) => {
        marks ??= guestMarks(line);
      };
      await using guest = await Guest.start({ ...options, onConsole });
      const sinceExec = () => (performance.now() - begun - guest.timeline.qemu) / 1000;
      const qemu = guest.pids[0] ?? Number.NaN;
      await using client = await connectSoon(guest);
      await client.health.check({});
      this.answer.add(sinceExec());
      this.#addSteps(marks, (guest.timeline.ready - guest.timeline.qemu) / 1000);
      this.answerCpu.add(cpuMs(qemu) / 1000);
      openToGuest(share, join(share.directory, "first", "rootfs"));
      await this.#container(client);
      this.output.add(sinceExec());
      this.outputCpu.add(cpuMs(qemu) / 1000);
      const read = { container_id: "first", exec_id: "dd", mib: READ_MIB, len: 32_768 };
      await readSpeed(client, read, this.speed, new CallCpu(qemu));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #container({ agent }: AgentClient): Promise<void> {
    const process = { container_id: "first", exec_id: "first" };
    await agent.createSandbox({ sandbox_id: "bench", hostname: "bench", storages: [SHARE_STORAGE] });
    const OCI = ociSpec(`${SHARED_IN_GUEST}/first/rootfs`, ["sh", "-c", "echo hello; exec sleep 1000"]);
    await agent.createContainer({ ...process, OCI });
    await agent.startContainer({ container_id: process.container_id });
    const { data } = await agent.readStdout({ ...process, len: 32_768 });
    if (Buffer.from(data).toString() !== "hello\n") throw new Error(`${this.name}: the container printed "${data}"`);
  }

  /** Aligns the guest's clock with the host's by `ready`, when the host read the line that the guest had printed. */
  #addSteps(marks: GuestMarks | undefined, ready: number): void {
    if (marks === undefined) throw new Error(`${this.name}: no times on its console`);
    const { init, agent, printed } = marks;
    this.kernel.add(ready - printed);
    this.init.add(init);
    this.exec.add(agent - init);
    this.check.add(this.answer.last - ready + printed - agent);
  }
}

/** Connects as soon as the agent accepts: until then the guest's kernel refuses. */
async function connectSoon(guest: Guest): Promise<AgentClient> {
  for (const end = performance.now() + LIMIT_MS; ; await sleep(RETRY_MS)) {
    try {
      return await connect(guest.address(1024));
    } catch (error) {
      guest.signal.throwIfAborted();
      if (performance.now() > end) throw new Error(`no agent answers; its console: ${guest.console}`, { cause: error });
    }
  }
}
