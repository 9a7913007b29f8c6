import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** The view's heading. It gets the focus when the view appears, so that a keyboard or a screen reader continues there. */
export function Heading({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · guestd`;
    // The first view of a page leaves the focus where the browser puts it.
    if (document.activeElement !== document.body || hasShown) heading.current?.focus({ preventScroll: true });
    hasShown = true;
  }, [title]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? title}
    </h1>
  );
}

let hasShown = false;
