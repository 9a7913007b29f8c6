import type { Init } from "../../proto/codec.ts";
import type { grpc } from "../../proto/gen/messages.js";
import { differences } from "./observation.ts";
import type { Observer, RuntimeName, SpecTemplate } from "./observer.ts";

/** Pairs of containers at once: one waits for its host while another runs. */
const AT_ONCE = 3;

export interface Comparison {
  /** As `differences` has them; one of their own when only one of the two made a container. */
  readonly lines: readonly string[];
  /** Neither made one. */
  readonly refused: boolean;
}

interface With {
  readonly runtime?: RuntimeName;
  /** What is compared is this exec, not the first process. */
  readonly exec?: Init<grpc.Process>;
}

/** A container of guestd and one of `runtime`, crun unless given, for the same spec. */
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
