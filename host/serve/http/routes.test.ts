import { expect, test } from "vitest";
import { matchPath } from "./routes.ts";

test.each([
  ["/api/guests/:guest/plan", "/api/guests/a%2Fb/plan", { guest: "a/b" }],
  ["/api/guests/:guest/plan", "/api/guests//plan", undefined],
  ["/api/guests/:guest/plan", "/api/guests/a/plan/more", undefined],
  ["/api/guests/:guest/plan", "/api/guests/%ff/plan", undefined],
  ["/api/me", "/api/me", {}],
  ["/api/me", "/api/me/", undefined],
])("the pattern %s matches %s as %j", (pattern, path, params) => {
  expect(matchPath(pattern, path)).toEqual(params);
});
