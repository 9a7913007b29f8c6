import { type Signal, useSignal } from "@preact/signals";
import { useCallback, useEffect } from "preact/hooks";
import { getJson } from "../state/api.ts";

export interface Loaded<T> {
  readonly value?: T;
  /** One line. */
  readonly error?: string;
}

/** Gets JSON when the component appears or the path changes; `reload` gets it again. */
export function useJson<T>(path: string): { readonly loaded: Signal<Loaded<T>>; reload(): void } {
  const loaded = useSignal<Loaded<T>>({});
  const attempt = useSignal(0);
  const reload = useCallback(() => {
    attempt.value++;
  }, [attempt]);
  const count = attempt.value;
  useEffect(() => {
    const leaving = new AbortController();
    getJson<T>(path, leaving.signal).then(
      (value) => {
        loaded.value = { value };
      },
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        loaded.value = { error: error instanceof Error ? error.message : String(error) };
      },
    );
    return () => leaving.abort();
  }, [path, count]);
  return { loaded, reload };
}
