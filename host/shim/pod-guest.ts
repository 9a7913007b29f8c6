import { availableParallelism } from "node:os";
import { setTimeout } from "node:timers/promises";
import type { grpc } from "../../proto/gen/messages.js";
import { SandboxGuest } from "../engine/guest/sandbox-guest.ts";
import { OperationError } from "../operation-error.ts";
import { connectPod } from "./connect-pod.ts";
import { PodNamespace } from "./pod-namespace.ts";
import { readShimConfig } from "./shim-config.ts";

/** The parts of a spec that say how large its guest has to be. */
type Sized = Pick<grpc.Spec, "Annotations" | "Linux">;

/** The parts of a pod's first spec that its guest is made from. */
type PodSpec = Sized & Pick<grpc.Spec, "Hostname">;

/** Memory of a guest besides that of its containers' limits. */
const OWN_MIB = 512;
const MIB = 2 ** 20;
/** Pause between two OOM reports, which an agent could send endlessly. */
const OOM_PAUSE_MS = 50;
const POD = "io.kubernetes.cri.sandbox";

/** Size of a pod's guest, from the pod's limits or from those of its first container. */
export function guestSize({ Annotations, Linux }: Sized): { readonly memoryMib: number; readonly cpus: number } {
  const { Memory, CPU } = Linux?.Resources ?? {};
  const memory = positive(Annotations[`${POD}-memory`]) ?? positive(Memory?.Limit) ?? 0;
  const quota = positive(Annotations[`${POD}-cpu-quota`]) ?? positive(CPU?.Quota);
  const period = positive(Annotations[`${POD}-cpu-period`]) ?? positive(CPU?.Period);
  const cpus = quota === undefined || period === undefined ? 1 : Math.ceil(quota / period);
  return { memoryMib: OWN_MIB + Math.ceil(memory / MIB), cpus: Math.min(cpus, availableParallelism()) };
}

const positive = (value: unknown): number | undefined => (Number(value) > 0 ? Number(value) : undefined);

export interface PodEvents {
  /** Called for each container that had a process killed for lack of memory. */
  onOom(container: string): void;
  /** Called once the guest has died. */
  onDeath(): void;
}

/** The guest of a pod: it boots for the first container. */
export class PodGuest implements AsyncDisposable {
  readonly #name: string;
  readonly #events: PodEvents;
  readonly #namespace = new PodNamespace();
  #started: Promise<SandboxGuest> | undefined;
  #connected: Promise<void> | undefined;

  constructor(name: string, events: PodEvents) {
    this.#name = name;
    this.#events = events;
  }

  /** Boots it, if it doesn't run yet. Rejects with one line; the next call tries again. */
  start(spec: PodSpec): Promise<SandboxGuest> {
    this.#started ??= this.#boot(spec).catch((error: unknown) => {
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  /** The guest that was started. Rejects if there is none. */
  #present(): Promise<SandboxGuest> {
    if (this.#started !== undefined) return this.#started;
    return Promise.reject(new OperationError(`pod ${this.#name}: its guest doesn't run`, { kind: "stopped" }));
  }

  /** Gives it the pod's network once. The engine has set that up before it starts the first container. */
  connect(): Promise<void> {
    this.#connected ??= this.#connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    return this.#connected;
  }

  /** Ends it at once. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    const guest = await this.#started?.catch(() => undefined);
    await guest?.[Symbol.asyncDispose]();
    await this.#namespace.clear();
  }

  async #connect(): Promise<void> {
    await this.#namespace.clear(); // of an attempt that failed
    await connectPod(await this.#present(), this.#namespace);
  }

  async #boot(spec: PodSpec): Promise<SandboxGuest> {
    const guest = await SandboxGuest.start({
      ...readShimConfig(),
      ...guestSize(spec),
      name: this.#name,
      hostname: spec.Hostname || undefined,
    });
    guest.gone.addEventListener("abort", () => this.#events.onDeath(), { once: true });
    void this.#reportOom(guest);
    return guest;
  }

  /** Reports until the connection ends, with the guest. */
  async #reportOom({ client }: SandboxGuest): Promise<void> {
    try {
      for (;;) {
        const { container_id } = await client.agent.getOOMEvent({});
        this.#events.onOom(container_id);
        await setTimeout(OOM_PAUSE_MS, undefined, { ref: false });
      }
    } catch {
      // The guest has ended.
    }
  }
}
