import { signal } from "@preact/signals";

export const GUEST_TABS = ["usage", "boot", "memory", "calls", "ports", "logs", "events"] as const;
export type GuestTab = (typeof GUEST_TABS)[number];
export const CONTAINER_TABS = ["usage", "plan", "logs", "files", "terminal", "events"] as const;
/** Stands for the container's first process in place of an exec id; no exec has this id. */
export const FIRST_PROCESS = "@first";
export type ContainerTab = (typeof CONTAINER_TABS)[number];

/** The view that the page shows; the fragment of its address says it, so that a reload shows the same. */
export type Route =
  | { readonly view: "overview" }
  | { readonly view: "guest"; readonly guest: string; readonly tab: GuestTab }
  | {
      readonly view: "container";
      readonly guest: string;
      readonly container: string;
      readonly tab: ContainerTab;
      /** Exec id of the terminal. Its command isn't in the address: a link from elsewhere must not start one. */
      readonly exec?: string;
    }
  | { readonly view: "templates" }
  | { readonly view: "reports"; readonly report?: string }
  | { readonly view: "help" };

/** Reads a fragment; anything unknown is the overview. */
export function parseRoute(fragment: string): Route {
  const [view, ...parts] = fragment.replace(/^#\//, "").split("/").map(decoded);
  const [guest, second, container, tab, exec] = parts;
  switch (view) {
    case "guests": {
      if (guest === undefined || guest === "") break;
      if (second === "containers" && container !== undefined && container !== "") {
        const known = CONTAINER_TABS.find((each) => each === tab) ?? "usage";
        const withExec = known === "terminal" && exec !== undefined && exec !== "" ? { exec } : {};
        return { view: "container", guest, container, tab: known, ...withExec };
      }
      return { view: "guest", guest, tab: GUEST_TABS.find((each) => each === second) ?? "usage" };
    }
    case "templates":
    case "help":
      return { view };
    case "reports":
      return guest === undefined || guest === "" ? { view } : { view, report: guest };
  }
  return { view: "overview" };
}

/** Returns the fragment of a route. */
export function routeHref(route: Route): string {
  const parts = partsOf(route);
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

function partsOf(route: Route): readonly string[] {
  switch (route.view) {
    case "overview":
      return [];
    case "guest":
      return ["guests", route.guest, route.tab];
    case "container": {
      const { guest, container, tab, exec } = route;
      return ["guests", guest, "containers", container, tab, ...(exec === undefined ? [] : [exec])];
    }
    case "reports":
      return ["reports", ...(route.report === undefined ? [] : [route.report])];
    default:
      return [route.view];
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The present route. */
export const route = signal<Route>({ view: "overview" });

/** Follows the address, for the life of the page. */
export function followAddress(): void {
  const read = () => {
    route.value = parseRoute(location.hash);
  };
  addEventListener("hashchange", read);
  read();
}

/** Shows a route. */
export function goTo(next: Route): void {
  location.hash = routeHref(next);
}
