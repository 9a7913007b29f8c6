import { type Route, routeHref } from "../state/route.ts";

interface Tab {
  readonly text: string;
  readonly route: Route;
  readonly isCurrent: boolean;
}

/** Links to the parts of a view. */
export function Tabs({ label, tabs }: { readonly label: string; readonly tabs: readonly Tab[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ text, route, isCurrent }) => (
        <a key={text} href={routeHref(route)} aria-current={isCurrent ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}
