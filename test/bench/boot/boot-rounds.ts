import { connect } from "../../../host/client/agent-client.ts";
import { type BootMarks, bootMarks, bootTimeline, timelineSteps } from "../../../host/engine/guest/boot-timeline.ts";
import { Guest } from "../../../host/vm/guest.ts";
import type { GuestOptions } from "../../../host/vm/guest-options.ts";
import { Samples } from "../samples.ts";

const MEMORY_MIB = 256;

/** Boots guests one after the other: ours, and two that only print hello. All times are in milliseconds. */
export class BootRounds {
  /** From QEMU's start to the hello line of a minimal guest. */
  readonly hello = new Samples();
  /** From QEMU's start to its end in the same guest. */
  readonly helloEnd = new Samples();
  /** From QEMU's start to the hello line of a program run instead of the agent by the same init and Node. */
  readonly node = new Samples();
  /** From QEMU's start to each step of our guest; the last is the first answered Check. */
  readonly steps = new Map<string, Samples>();
  readonly #hello: string;
  readonly #nodeImage: string;
  readonly #options: GuestOptions;

  constructor(helloInitramfs: string, nodeImage: string, options: GuestOptions = {}) {
    this.#hello = helloInitramfs;
    this.#nodeImage = nodeImage;
    this.#options = { memoryMib: MEMORY_MIB, ...options };
  }

  async bootHello(): Promise<void> {
    const guest = await Guest.start({ ...this.#options, initrd: this.#hello, readyLine: /^hello/ });
    const { qemu, ready } = guest.timeline;
    this.hello.add(ready - qemu);
    const since = performance.now();
    await guest.powerOff(async () => undefined);
    this.helloEnd.add(ready - qemu + performance.now() - since);
  }

  async bootNode(): Promise<void> {
    await using guest = await Guest.start({ ...this.#options, image: this.#nodeImage, readyLine: /^hello/ });
    this.node.add(guest.timeline.ready - guest.timeline.qemu);
  }

  async bootOurs(): Promise<void> {
    let marks: BootMarks | undefined;
    const onConsole = (line: string) => {
      marks ??= bootMarks(line.slice(Math.max(0, line.indexOf("{"))));
    };
    const begun = performance.now();
    const guest = await Guest.start({ ...this.#options, onConsole });
    await using client = await connect(guest.address(1024));
    await client.health.check({});
    const answered = performance.now() - begun;
    for (const [name, ms] of timelineSteps(bootTimeline(guest.timeline, answered, marks))) {
      const samples = this.steps.get(name) ?? new Samples();
      this.steps.set(name, samples);
      samples.add(ms);
    }
    await guest.powerOff(() => client.agent.destroySandbox({}));
  }
}
