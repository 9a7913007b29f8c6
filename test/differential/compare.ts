import { differences } from "./observation.ts";
import type { MakerName, Observer, SpecTemplate } from "./observer.ts";

/** Pairs of containers at once: one waits for its host while another runs. */
const AT_ONCE = 3;

export interface Comparison {
  /** As `differences` has them; one of their own when only one of the two made a container. */
  readonly lines: readonly string[];
  /** Neither made one. */
  readonly refused: boolean;
}

/** A container of guestd and one of `maker`, for the same spec. */
export async function compare(observer: Observer, spec: SpecTemplate, maker: MakerName = "crun"): Promise<Comparison> {
  const [guestd, other] = await Promise.all([observer.observe(spec, ""), observer.observe(spec, maker)]);
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
