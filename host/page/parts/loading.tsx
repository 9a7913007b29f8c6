import type { ComponentChildren } from "preact";
import type { Loaded } from "./use-json.ts";

interface LoadingProps<T> {
  readonly loaded: Loaded<T>;
  /** Noun for what is loaded. */
  readonly what: string;
  children(value: T): ComponentChildren;
}

/** Shows a value once it is there, or why it is not. */
export function Loading<T>({ loaded, what, children }: LoadingProps<T>) {
  if (loaded.error !== undefined) return <p class="error">{`${what}: ${loaded.error}`}</p>;
  if (loaded.value === undefined) return <p class="quiet">{`Loading ${what} …`}</p>;
  return <>{children(loaded.value)}</>;
}
