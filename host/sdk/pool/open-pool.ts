import { sandboxError } from "../error/to-sandbox-error.ts";
import type { CreateOptions } from "../sandbox/options.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { Pool } from "./pool.ts";

/** Sandboxes that are ready: `take` returns one. */
export type SandboxPool = Pool<Sandbox>;

/** Options of `Sandbox.pool`: those of each sandbox, and how many. */
export interface PoolOptions extends Omit<CreateOptions, "name" | "timeoutMs" | "signal"> {
  /** Number of sandboxes to keep ready. */
  readonly size: number;
  /** Most memory of all guests of the pool, those taken included. Default: no limit. */
  readonly maxMemoryMib?: number;
}

/** Memory of a guest without `memoryMib`. */
const DEFAULT_MIB = 512;
/** Starts at once: more would only slow each other down. */
const STARTS = 2;

/** Opens a pool whose sandboxes `create` makes. Throws SandboxError for wrong options. */
export async function openPool({
  size,
  maxMemoryMib,
  options,
  create,
}: {
  readonly size: number;
  readonly maxMemoryMib: number | undefined;
  readonly options: CreateOptions;
  /** With `isWarm` it takes longer, and the sandbox's first calls are faster. */
  create(options: CreateOptions, isWarm: boolean): Promise<Sandbox>;
}): Promise<SandboxPool> {
  const refuse = (why: string) => sandboxError("invalid-argument", `open a pool: ${why}`);
  if (!(Number.isInteger(size) && size > 0)) throw refuse(`size ${size} is no positive whole number`);
  const each = await memoryOf(options);
  const max = maxMemoryMib === undefined ? Infinity : Math.floor(maxMemoryMib / each);
  if (max < 1) throw refuse(`maxMemoryMib ${maxMemoryMib} is less than the ${each} of one guest`);
  return new Pool({
    size,
    max,
    starts: STARTS,
    create: (signal, isAwaited) =>
      create({ ...options, signal }, !isAwaited && options.address === undefined && options.vm === undefined),
  });
}

/** A guest from a template has the template's memory. */
async function memoryOf({ template, memoryMib = DEFAULT_MIB }: CreateOptions): Promise<number> {
  if (template === undefined) return memoryMib;
  const { TemplateStore } = await import("../../engine/template/template-store.ts");
  return (await new TemplateStore().get(template)).manifest?.machine.memoryMib ?? memoryMib;
}
