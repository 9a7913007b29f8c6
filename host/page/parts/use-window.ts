import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Rows above and below the visible ones that are rendered too. */
const MARGIN = 8;

/** The part of a long list that is visible. */
export interface ListWindow {
  /** The element that scrolls. */
  readonly box: RefObject<HTMLDivElement | null>;
  /** Indices of the first row, and of the one after the last. */
  readonly first: number;
  readonly end: number;
  /** Heights of what is left out above and below, in pixels. */
  readonly above: number;
  readonly below: number;
}

/** Follows scrolling and size of a box that holds `count` rows of the same height. */
export function useWindow(count: number, rowHeight: number): ListWindow {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSignal({ top: 0, height: 800 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let frame = 0;
    const read = () => {
      frame = 0;
      const { scrollTop, clientHeight } = element;
      const top = Math.floor(scrollTop / rowHeight) * rowHeight;
      const { value } = seen;
      if (value.top !== top || value.height !== clientHeight) seen.value = { top, height: clientHeight };
    };
    const soon = () => {
      if (frame === 0) frame = requestAnimationFrame(read);
    };
    element.addEventListener("scroll", soon, { passive: true });
    const sizes = new ResizeObserver(soon);
    sizes.observe(element);
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", soon);
      sizes.disconnect();
    };
  }, [rowHeight, seen]);
  const { top, height } = seen.value;
  const end = Math.min(count, Math.ceil((top + height) / rowHeight) + MARGIN);
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - MARGIN, end));
  return { box, first, end, above: first * rowHeight, below: (count - end) * rowHeight };
}
