import { existsSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { timelineText } from "../engine/guest/boot-timeline.ts";
import { SandboxGuest } from "../engine/guest/sandbox-guest.ts";
import { blockRootOf, type UsedBlockRoot } from "../engine/image/disk/block-root.ts";
import { DEFAULT_LAYER_BYTES, discardLayer, type Layer, LayerStore } from "../engine/image/disk/layer-store.ts";
import { makeBusyboxImage } from "../engine/image/make-image.ts";
import { chooseAccelerator } from "../vm/accelerator.ts";
import { imagePaths, repositoryRoot } from "../vm/paths.ts";
import { containerSteps } from "./container-steps.ts";
import { runLines } from "./run-lines.ts";
import { type Say, type Step, showSteps } from "./show-steps.ts";

const IMAGE = join(repositoryRoot, "build/demo/busybox.tar");

/** Runs the demo, from a build to a container in a guest and back, and shows each step. */
class DemoRun implements AsyncDisposable {
  #image: UsedBlockRoot | undefined;
  #layer: Layer | undefined;
  #guest: SandboxGuest | undefined;

  get steps(): readonly Step[] {
    return [
      { title: "build the guest's image: kernel, init, Node and the agent", run: buildImage },
      { title: "create an OCI image from Debian's busybox-static", run: makeImage },
      { title: "make a read-only disk of it, and one to write", run: (say) => this.#makeDisks(say) },
      { title: "boot a guest", run: (say) => this.#boot(say) },
      ...containerSteps(() => ({
        guest: result(this.#guest),
        image: result(this.#image),
        layer: result(this.#layer),
      })),
      { title: "power off: DestroySandbox, and QEMU ends by itself", run: (say) => this.#powerOff(say) },
    ];
  }

  async #makeDisks(say: Say): Promise<void> {
    this.#image = await blockRootOf({ path: IMAGE }, { user: "demo" });
    const { file, size } = this.#image.root;
    say(`${file}: EROFS, ${Math.round(size / 1024)} KiB, for all guests`);
    this.#layer = await new LayerStore().open({ size: DEFAULT_LAYER_BYTES, record: "" });
    const { disk } = this.#layer;
    const { blocks } = await stat(disk.file);
    say(`${disk.file}: ${DEFAULT_LAYER_BYTES / 2 ** 30} GiB, of which ${blocks / 2} KiB are used`);
  }

  async #boot(say: Say): Promise<void> {
    const { kind, reason } = await chooseAccelerator();
    say(kind === "kvm" ? `KVM: ${reason}` : `software emulation, some twenty times slower than KVM: ${reason}`);
    this.#guest = await SandboxGuest.start({ name: "demo", hasDisks: true, writable: [result(this.#layer).disk] });
    say(`the agent answers at ${this.#guest.address}`);
    say(timelineText(this.#guest.timeline));
  }

  async #powerOff(say: Say): Promise<void> {
    const guest = result(this.#guest);
    const begun = performance.now();
    await guest.powerOff();
    expectNoProcesses(guest.guest.pids);
    say(`QEMU ended with status 0 after ${Math.round(performance.now() - begun)} ms; nothing is left of the guest`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest?.[Symbol.asyncDispose]();
    if (this.#layer !== undefined) await discardLayer(this.#layer);
    this.#image?.[Symbol.dispose]();
  }
}

async function buildImage(say: Say): Promise<void> {
  const step = /: (built in|up to date)/;
  await runLines([process.execPath, join(repositoryRoot, "rootfs-builder/build.ts")], (line) => {
    if (step.test(line)) say(line);
  });
  const { size } = await stat(imagePaths.image);
  say(`${relative(repositoryRoot, imagePaths.image)}: ${size / 2 ** 20} MiB, mounted by DAX`);
}

async function makeImage(say: Say): Promise<void> {
  const there = existsSync(IMAGE);
  if (!there) {
    await mkdir(join(repositoryRoot, "build/demo"), { recursive: true });
    await makeBusyboxImage(IMAGE);
  }
  const kib = Math.round((await stat(IMAGE)).size / 1024);
  say(`${relative(repositoryRoot, IMAGE)}: an OCI layout of ${kib} KiB${there ? ", created earlier" : ""}`);
}

function result<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error("an earlier step has not run");
  return thing;
}

function expectNoProcesses(pids: readonly number[]): void {
  if (pids.length > 0) throw new Error(`the guest left processes: ${pids.join(", ")}`);
}

async function main(): Promise<void> {
  const begun = performance.now();
  await using run = new DemoRun();
  await showSteps(run.steps, process.stdout);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  process.stdout.write(`\nAll of it worked, in ${seconds} s. Your turn:\n`);
  process.stdout.write(`  ./guestctl run -it ${relative(repositoryRoot, IMAGE)} sh\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
