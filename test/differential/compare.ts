import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { differences } from "./observation.ts";
import type { Observer, RuntimeName, SpecTemplate } from "./observer.ts";

/** Pairs of containers at once: one waits for its host while another runs. */
const AT_ONCE = 3;

export interface Comparison {
  /** Lines of `differences`; a single line if only one of the two created a container. */
  readonly lines: readonly string[];
  /** True if neither created a container. */
  readonly refused: boolean;
}

interface With {
  readonly runtime?: RuntimeName;
  /** Compares this exec instead of the first process. */
  readonly exec?: Init<grpc.Process>;
}

/** Compares containers of guestd and `runtime`, by default crun, for the same spec. */
export async function compare(observer: Observer, spec: SpecTemplate, options: With = {}): Promise<Comparison> {
  const { runtime = "crun", exec } = options;
  const [guestd, other] = await Promise.all([observer.observe(spec, "", exec), observer.observe(spec, runtime, exec)]);
  const refused = guestd.refused !== undefined && other.refused !== undefined;
  if (refused || guestd.refused === other.refused) return { lines: differences(guestd.seen, other.seen), refused };
  return { lines: [`refused: ${guestd.refused ?? "(runs)"} | ${other.refused ?? "(runs)"}`], refused };
}

export async function inParallel<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) await work(item, index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
