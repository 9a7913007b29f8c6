import type { TreeSink } from "../../../lib/archive/tree-sink.ts";

/** How long an incomplete file waits for its client, ms, and most such files. */
const KEPT_MS = 120_000;
const MAX_KEPT = 64;

interface KeptCopy {
  readonly sink: TreeSink;
  /** Disposing ends the server that has the file open. */
  readonly server: DisposableStack;
}

/** Incomplete files that wait for their clients, by copy id. */
export class KeptCopies {
  readonly #kept = new Map<string, KeptCopy & { readonly timer: NodeJS.Timeout }>();

  /** Keeps an incomplete file, and the server that has it open. */
  keep(id: string, copy: KeptCopy): void {
    const timer = setTimeout(() => void this.#discard(id), KEPT_MS).unref();
    this.#kept.set(id, { ...copy, timer });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) void this.#discard(oldest);
  }

  /** Returns what the caller then owns; undefined if nothing is kept. */
  take(id: string): KeptCopy | undefined {
    const kept = this.#kept.get(id);
    clearTimeout(kept?.timer);
    this.#kept.delete(id);
    return kept;
  }

  async #discard(id: string): Promise<void> {
    const kept = this.take(id);
    await kept?.sink.discard().finally(() => kept.server.dispose());
  }
}
