import { describe, expect, it } from "vitest";
import { parseRoute, type Route, routeHref } from "./route.ts";
import { tokenIn } from "./session.ts";

const ROUTES: readonly Route[] = [
  { view: "overview" },
  { view: "guest", guest: "web", tab: "calls" },
  { view: "container", guest: "web", container: "a/b %2F?", tab: "usage" },
  { view: "container", guest: "web", container: "box", tab: "terminal", exec: "x-1" },
  { view: "templates" },
  { view: "reports" },
  { view: "reports", report: "guestd 1.json" },
  { view: "help" },
];

describe("routes", () => {
  it.each(ROUTES)("are the same after a reload: %j", (route) => {
    expect(parseRoute(routeHref(route))).toEqual(route);
  });

  it("shows the overview for a fragment that means nothing, and the first tab for an unknown one", () => {
    for (const fragment of ["", "#/", "#/nothing", "#/guests", "#/guests/", "#x"]) {
      expect(parseRoute(fragment)).toEqual({ view: "overview" });
    }
    expect(parseRoute("#/guests/%zz/none")).toEqual({ view: "guest", guest: "%zz", tab: "usage" });
    expect(parseRoute("#/guests/a/containers/b/none/x")).toMatchObject({ tab: "usage" });
  });

  it("takes only an exec id from the address, never a command", () => {
    expect(parseRoute("#/guests/a/containers/b/terminal/x-1/sh?command=sh")).toEqual({
      ...{ view: "container", guest: "a", container: "b", tab: "terminal", exec: "x-1" },
    });
  });
});

it("tells a link's token from a route", () => {
  expect([tokenIn("#abc_-123"), tokenIn("#/"), tokenIn(""), tokenIn("#/guests/a")]).toEqual([
    "abc_-123",
    undefined,
    undefined,
    undefined,
  ]);
});
