import type { Signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";
import type { LogReader } from "../state/log-reader.ts";
import { useWindow } from "./use-window.ts";

/** Height of a line in pixels, as in page.css. */
const LINE_HEIGHT = 18;

interface LogLinesBoxProps {
  readonly reader: LogReader;
  /** Keeps the last line visible; scrolling up ends that, and scrolling to the end begins it again. */
  readonly isFollowing: Signal<boolean>;
  readonly showsContainer: boolean;
}

/** The lines of a log. Only the visible ones are rendered. */
export function LogLinesBox({ reader, isFollowing, showsContainer }: LogLinesBoxProps) {
  const lines = reader.lines.value;
  const { box, first, end, above, below } = useWindow(lines.length, LINE_HEIGHT);
  useLayoutEffect(() => {
    if (isFollowing.value && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, isFollowing.value]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    let last = element.scrollTop;
    const scrolled = () => {
      const { scrollTop, clientHeight, scrollHeight } = element;
      if (scrollTop < last - 1) isFollowing.value = false;
      else if (scrollTop + clientHeight >= scrollHeight - 2) isFollowing.value = true;
      last = scrollTop;
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => element.removeEventListener("scroll", scrolled);
  }, [box, isFollowing]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls needs the keyboard
    <div class="scroll lines" ref={box} role="log" aria-live="off" aria-label="log lines" tabIndex={0}>
      <div style={{ height: `${above}px` }} />
      {lines.slice(first, end).map(({ number, kind, container, time, text }) => (
        <div key={number} class={`line ${kind}`}>
          {time !== undefined && (
            <time class="quiet">{new Date(time).toLocaleTimeString(undefined, { hour12: false })}</time>
          )}
          {showsContainer && container !== "" && <b>{container}</b>}
          <span>{text}</span>
        </div>
      ))}
      <div style={{ height: `${below}px` }} />
    </div>
  );
}
