import { connect } from "../../../host/client/agent-client.ts";
import { Guest } from "../../../host/machine/guest.ts";
import type { GuestOptions } from "../../../host/machine/guest-options.ts";
import { type BootMarks, bootMarks, bootTimeline, timelineSteps } from "../../../host/sandbox/boot-timeline.ts";
import { Samples } from "../samples.ts";

const MEMORY_MIB = 256;

/** Guests that boot one after the other on the same machine: ours, and two that only say hello. All in milliseconds. */
export class BootRounds {
  /** From the start of QEMU to the line of the guest that says hello. */
  readonly hello = new Samples();
  /** The same to the end of its QEMU. */
  readonly helloEnd = new Samples();
  /** From the start of QEMU to the line of a program that says hello in the agent's place, by the same init and Node. */
  readonly node = new Samples();
  /** From the start of QEMU to each step of ours, the last being the first answered Check. */
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
