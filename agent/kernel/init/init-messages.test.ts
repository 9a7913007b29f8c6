import { expect, test } from "vitest";
import { encodePower } from "./init-messages.ts";

test("the last word of a power request is 1 for a reboot, 0 for off", () => {
  expect([encodePower("off").at(-4), encodePower("reboot").at(-4)]).toEqual([0, 1]);
});
